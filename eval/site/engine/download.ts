/** Files of the site. */

/** @param done 0 to 1 */
export type Progress = (done: number) => void;

/**
 * @param expected bytes, for the progress: hosts that compress do not tell
 * @throws Error with a sentence for the user
 */
export async function download(path: string, expected: number, progress: Progress): Promise<Uint8Array<ArrayBuffer>> {
  const response = await fetch(path).catch(() => undefined);
  if (!response) throw new Error('There is no connection, and this part is not stored on this device yet. Connect once to load it.');
  if (!response.ok || !response.body)
    throw new Error(
      `${path} is missing on the server (status ${response.status}). Reload the page; if that does not help, the site is incomplete.`,
    );
  const pieces: Uint8Array[] = [];
  let length = 0;
  const reader = response.body.getReader();
  for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
    pieces.push(piece.value);
    length += piece.value.length;
    progress(Math.min(1, length / expected));
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}
