/** Answers to requests that the lobby does not serve. */
import type { ServerResponse } from 'node:http';

const texts = {
  unknown: 'This address is not valid, or no longer. Each run of wrn-onnx eval prints a new one: open that.',
  foreign: 'Open the address as wrn-onnx eval printed it.',
  ended: 'This run has ended. The next run of wrn-onnx eval prints a new address.',
  full: 'All places of this run are taken. Start it again with --devices, or close the page on the other device.',
  replaced: 'Another page has taken the place of this one.',
};

/** Refuses a request with a page that says what to do. */
export function refuse(response: ServerResponse, status: number, why: keyof typeof texts): void {
  response.writeHead(status, { 'Content-Type': 'text/html; charset=utf-8' }).end(notice(texts[why]));
}

/** A page of one sentence. @param text without HTML */
function notice(text: string): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>wrn-onnx eval</title>
<link rel="icon" href="data:,">
<style>:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; } main { max-width: 36rem; margin: 15vh auto; padding: 0 1.5rem; } h1 { font-size: 1.4rem; }</style>
<main><h1>wrn-onnx eval</h1><p>${text}</p></main>
</html>
`;
}
