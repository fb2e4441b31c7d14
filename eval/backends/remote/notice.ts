/** A page of one sentence. @param text of ours, without HTML */
export function notice(text: string): string {
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
