/**
 * onnxruntime-node reports to its vendor as soon as it is loaded: it looks up a host, and writes a device id, a database and
 * logs into the user's cache and temporary folders. This variable, set before, turns all of it off. A worker thread has an
 * environment of its own, which native code does not see: there, set the variable before the process starts.
 */
process.env['ORT_DISABLE_TELEMETRY'] = '1';
