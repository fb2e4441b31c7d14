/** Whether the browser can run the page. */

/** A module with one SIMD instruction: `i8x16.splat` of 0, dropped. */
const SIMD = Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 10, 9, 1, 7, 0, 65, 0, 253, 15, 26, 11);

/** Why this browser cannot run the page, as a sentence that helps; undefined when it can. */
export function whyNot(): string | undefined {
  if (location.protocol === 'file:')
    return 'This page needs a web server: a browser does not run it from a file. In its folder: npx serve, or python3 -m http.server';
  if (typeof WebAssembly !== 'object' || !WebAssembly.validate(SIMD))
    return 'This browser has no WebAssembly SIMD, which the network runs on. Chrome and Edge have it from version 91 on, Firefox from 89, Safari from 16.4.';
  if (typeof OffscreenCanvas !== 'function')
    return 'This browser cannot scale pictures in the background (OffscreenCanvas). Chrome and Edge can from version 69 on, Firefox from 105, Safari from 16.4.';
  return undefined;
}
