/** Pictures that the user chooses, drops anywhere on the page, or pastes. */
import { byId } from './elements.ts';

export function takeFiles(use: (file: Blob) => void): void {
  const input = byId<HTMLInputElement>('file');
  input.addEventListener('change', () => {
    const [file] = input.files ?? [];
    if (file) use(file);
    input.value = ''; // the same file may be chosen again
  });
  const view = byId('view');
  const mark = (on: boolean) => view.classList.toggle('dropping', on);
  const hasFiles = ({ dataTransfer }: DragEvent) => dataTransfer?.types.includes('Files') ?? false;
  addEventListener('dragover', (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    mark(true);
  });
  addEventListener('dragleave', (event) => event.relatedTarget === null && mark(false));
  addEventListener('drop', (event) => {
    mark(false);
    if (!hasFiles(event)) return;
    event.preventDefault();
    const [file] = event.dataTransfer?.files ?? [];
    if (file) use(file);
  });
  addEventListener('paste', ({ clipboardData }) => {
    const file = [...(clipboardData?.files ?? [])].find(({ type }) => type.startsWith('image/'));
    if (file) use(file);
  });
}
