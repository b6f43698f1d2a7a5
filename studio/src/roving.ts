/** Many controls as one stop of the Tab key: arrows, Home and End go on within them. */

const USED = "input:not([type=checkbox], [type=radio]), select, textarea, video"; // that need arrows themselves
const CONTROLS = "button, input, select, a[href], video[controls]";

/** Where a key leads among items in rows: `rows[i]` is the row of item i. Null where it leads nowhere. */
export function step(key: string, at: number, rows: number[]): number | null {
  const last = rows.length - 1;
  if (key === "Home") return 0;
  if (key === "End") return last;
  if (key === "ArrowLeft") return Math.max(0, at - 1);
  if (key === "ArrowRight") return Math.min(last, at + 1);
  if (key !== "ArrowUp" && key !== "ArrowDown") return null;
  const row = rows[at] ?? 0;
  const to = key === "ArrowUp" ? Math.max(...rows.filter((r) => r < row), -1) : Math.min(...rows.filter((r) => r > row), Infinity);
  const first = rows.indexOf(to);
  if (first < 0) return at;
  const inRow = at - rows.indexOf(row);
  return Math.min(first + inRow, rows.lastIndexOf(to));
}

/** Makes one stop of all controls of a container, also of those that come later; each child is a row. */
export function rove(container: HTMLElement): void {
  let current: Element | null = null;
  const items = (): HTMLElement[] =>
    [...container.querySelectorAll<HTMLElement>(CONTROLS)].filter((item) => !(item as HTMLButtonElement).disabled && !item.hidden && item.getAttribute("type") !== "file");
  const mark = (): void => {
    const all = items();
    const stop = all.find((item) => item === current) ?? all.find((item) => item.getAttribute("aria-selected") === "true") ?? all[0];
    for (const item of all) {
      const wanted = item === stop ? "0" : "-1";
      if (item.getAttribute("tabindex") !== wanted) item.setAttribute("tabindex", wanted);
    }
  };
  container.addEventListener("focusin", (event) => {
    current = event.target as Element;
    mark();
  });
  container.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || (event.target as Element).matches(USED)) return;
    const all = items();
    const at = all.indexOf(event.target as HTMLElement);
    const children = [...container.children];
    const to = at < 0 ? null : step(event.key, at, all.map((item) => children.findIndex((child) => child.contains(item))));
    if (to === null) return;
    event.preventDefault();
    event.stopPropagation();
    all[to]?.focus();
  });
  new MutationObserver(mark).observe(container, { childList: true, subtree: true, attributes: true, attributeFilter: ["disabled", "hidden"] });
  mark();
}
