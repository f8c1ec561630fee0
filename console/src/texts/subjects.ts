/** `./wall.en.json` → `wall`. What the server calls its states (`server`, made by build.py) stands under `words` with our own. */
export function bySubject(files: Record<string, unknown>): Record<string, unknown> {
  const { server, words, ...others } = Object.fromEntries(Object.entries(files).map(([path, texts]) => [path.split("/").at(-1)!.split(".")[0]!, texts]));
  return { ...others, words: { ...(server as object), ...(words as object) } };
}
