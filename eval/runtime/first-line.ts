/** The first line of an error, without onnxruntime's source location and the browser driver's prefix. */
export function firstLine(error: unknown): string {
  const [line = ''] = (error instanceof Error ? error.message : String(error)).trim().split('\n');
  return line.replace(/^page\.evaluate: (\w*Error: )?/, '').replace(/^.* was false\. /, '');
}
