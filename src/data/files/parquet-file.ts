/** Parquet files: columns of row groups, decoded by hyparquet. Source of the format: https://parquet.apache.org/docs/file-format/ */
import type { AsyncBuffer, Compressors, FileMetaData } from 'hyparquet';
import { InputError } from '../../errors.ts';
import { inFile } from './file-error.ts';
import type { RandomAccess } from './random-access.ts';

const FORMAT = 'parquet';
/** Limit on a row group, which is in memory as a whole. Row groups of images usually have tens of megabytes. */
const MAX_GROUP_BYTES = 2 ** 29;
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
  const buffer: AsyncBuffer = {
    byteLength: file.size,
    async slice(start, end = file.size) {
      if (!(start >= 0 && end >= start && end <= file.size)) throw new Error(`bytes ${start} to ${end} of a file of ${file.size}`);
      const bytes = new Uint8Array(end - start);
      await file.read(bytes, start);
      return bytes.buffer;
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
  const [{ parquetReadObjects }, { compressors }] = [await import('hyparquet'), await import('hyparquet-compressors')];
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

/** Checks the unpacked size that a page states, before a damaged one can make us allocate it. */
function bounded(compressors: Compressors): Compressors {
  return Object.fromEntries(
    Object.entries(compressors).map(([name, unpack]) => [
      name,
      (input: Uint8Array, size: number) => {
        if (!(size >= 0 && size <= MAX_GROUP_BYTES)) throw new Error(`a page of ${size} bytes`);
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
