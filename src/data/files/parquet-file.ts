/** Parquet files: columns of row groups, decoded by hyparquet. Source of the format: https://parquet.apache.org/docs/file-format/ */
import type { AsyncBuffer, Compressors, FileMetaData, SchemaTree } from 'hyparquet';
import { InputError } from '../../errors.ts';
import { inFile } from './file-error.ts';
import type { RandomAccess } from './random-access.ts';

const FORMAT = 'parquet';
/** Limit on a row group, which is in memory as a whole. Row groups of images usually have tens of megabytes. */
const MAX_GROUP_BYTES = 2 ** 29;
/** A page that unpacks to more is a decompression bomb: image files hardly shrink, and pages of labels are small. */
const MAX_INFLATION = 64;
const INFLATION_SLACK = 2 ** 24;
/** Smallest size of a row, since it holds an image file. */
const MIN_ROW_BYTES = 16;

export interface ParquetFile {
  readonly path: string;
  readonly buffer: AsyncBuffer;
  readonly metadata: FileMetaData;
}

/** Opens a file. Its errors need `undamaged` around it. */
export async function openParquetFile(file: RandomAccess): Promise<ParquetFile> {
  const { parquetMetadataAsync } = await import('hyparquet');
  const read = async (start: number, end: number) => {
    if (!(start >= 0 && end >= start && end <= file.size)) throw new Error(`bytes ${start} to ${end} of a file of ${file.size}`);
    const bytes = new Uint8Array(end - start);
    await file.read(bytes, start);
    return bytes.buffer;
  };
  const buffer: AsyncBuffer = {
    byteLength: file.size,
    slice(start, end = file.size) {
      const bytes = read(start, end);
      bytes.catch(() => {}); // hyparquet asks for several at once, and after the first error it does not look at the others
      return bytes;
    },
  };
  return { path: file.path, buffer, metadata: await parquetMetadataAsync(buffer) };
}

/**
 * Rows of each group, in order.
 * @throws InputError when there are more rows than fit into the file, or a group is too large for memory
 */
export function* rowGroups({ path, buffer, metadata }: ParquetFile): Generator<{ start: number; rows: number }, void, undefined> {
  let start = 0;
  for (const { num_rows, total_byte_size } of metadata.row_groups) {
    const rows = Number(num_rows);
    const most = Math.floor(buffer.byteLength / MIN_ROW_BYTES);
    if (!(rows >= 0 && start + rows <= most))
      throw new InputError(FORMAT, path, `expected at most ${most} rows in a file of its size, got ${start + rows}`);
    if (Number(total_byte_size) > MAX_GROUP_BYTES)
      throw new InputError(FORMAT, path, `expected groups of rows of at most ${MAX_GROUP_BYTES} bytes, got one of ${total_byte_size}`);
    yield { start, rows };
    start += rows;
  }
}

/** Values of a column in rows `rowStart` to `rowEnd`. */
export async function readColumn({ buffer, metadata }: ParquetFile, column: string, rowStart: number, rowEnd: number): Promise<unknown[]> {
  if (rowStart === rowEnd) return [];
  const [{ parquetReadObjects, parquetSchema }, { compressors }] = [await import('hyparquet'), await import('hyparquet-compressors')];
  checkParts(metadata, parquetSchema(metadata), column);
  const rows = await parquetReadObjects({
    file: buffer,
    metadata,
    columns: [column],
    rowStart,
    rowEnd,
    utf8: false,
    compressors: bounded(compressors),
  });
  return rows.map((row) => row[column]);
}

/**
 * Checks that what is stored of a column are parts of it in the schema, each once per group of rows: at another one hyparquet stops, and
 * the errors of those that it has begun to read would end the process.
 */
function checkParts({ row_groups }: FileMetaData, tree: SchemaTree, column: string): void {
  const parts = new Set(leaves(tree).map(nameOf));
  for (const { columns } of row_groups) {
    const stored = columns.flatMap(({ meta_data: meta }) => (meta?.path_in_schema[0] === column ? [nameOf(meta.path_in_schema)] : []));
    const wrong = stored.find((name, i) => !parts.has(name) || stored.indexOf(name) !== i);
    if (wrong !== undefined) throw new Error(`a column ${wrong} that is not in the schema, or is stored twice`);
  }
}

const nameOf = (path: readonly string[]) => path.join('.');
const leaves = ({ children, path }: SchemaTree): string[][] => (children.length > 0 ? children.flatMap(leaves) : [path]);

/** Checks the unpacked size that a page states, before a damaged one can make us allocate it. */
function bounded(compressors: Compressors): Compressors {
  return Object.fromEntries(
    Object.entries(compressors).map(([name, unpack]) => [
      name,
      (input: Uint8Array, size: number) => {
        const most = Math.min(MAX_GROUP_BYTES, INFLATION_SLACK + MAX_INFLATION * input.length);
        if (!(size >= 0 && size <= most)) throw new Error(`a page of ${size} bytes, packed into ${input.length}`);
        return unpack(input, size);
      },
    ]),
  );
}

/** Turns an error of the decoder into one that names the file. */
export async function undamaged<T>(path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof InputError) throw inFile(path, error);
    throw new InputError(
      FORMAT,
      path,
      `expected a complete, undamaged file, got ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    );
  }
}
