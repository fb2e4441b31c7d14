/** The first line of an error, without the place in onnxruntime's source and what the browser's driver puts in front. */
export function firstLine(error: unknown): string {
  const [line = ''] = (error instanceof Error ? error.message : String(error)).trim().split('\n');
  return line.replace(/^page\.evaluate: (\w*Error: )?/, '').replace(/^.* was false\. /, '');
}
