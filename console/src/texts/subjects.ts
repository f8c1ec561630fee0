/** `./wall.en.json` → `wall`. What the server calls its states (`server`, made by build.py) stands under `words` with our own. */
export function bySubject(files: Record<string, unknown>): Record<string, unknown> {
  const { server, words, ...others } = Object.fromEntries(Object.entries(files).map(([path, texts]) => [path.split("/").at(-1)!.split(".")[0]!, texts]));
  return counting({ ...others, words: { ...(server as object), ...(words as object) } });
}

/** `{count} {count:village/villages}`: a noun or a verb by how many there are, as the server's own texts have it (web/words.py). */
const BLANK = /\{(\w+)(?::([^{}/]+)\/([^{}/]+))?\}/g;
const PLURAL = /\{\w+:[^{}]+\}/;

type Facts = { named(name: string): unknown };

function counting(texts: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(texts).map(([key, text]) => {
      if (typeof text === "object") return [key, counting(text as Record<string, unknown>)];
      if (typeof text !== "string" || !PLURAL.test(text)) return [key, text];
      return [key, ({ named }: Facts) => text.replace(BLANK, (_, name: string, one?: string, many?: string) => (many === undefined ? String(named(name) ?? "") : String(named(name)) === "1" ? one! : many))];
    }),
  );
}
