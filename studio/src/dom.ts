/** Elements in one line. */

type Attributes = Record<string, string | number | boolean | null | undefined | ((event: never) => void)>;

/** An element: `on…` attributes are listeners, false and null leave an attribute out, `class` and the rest are set. */
export function el<K extends keyof HTMLElementTagNameMap>(tag: K, attributes: Attributes = {}, ...children: (Node | string | null)[]): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), value as EventListener);
    else if (name === "value") (element as HTMLInputElement).value = String(value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((c): c is Node | string => c !== null));
  return element;
}

/** A drawing's element; its looks come from style sheets, for the page allows no styles of its own. */
export function svg(tag: string, attributes: Record<string, string | number> = {}, ...children: Node[]): SVGElement {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

/** A field with its name over it. */
export function field(label: string, input: HTMLElement, hint = ""): HTMLLabelElement {
  return el("label", { class: "field" }, el("span", {}, label), input, hint ? el("small", {}, hint) : null);
}

export function select(options: [value: string, label: string][], value: string, on: (value: string) => void): HTMLSelectElement {
  const box = el("select", { onchange: () => on(box.value) }, ...options.map(([v, l]) => el("option", { value: v }, l)));
  box.value = value;
  return box;
}

/** A number that is taken when it is one within its limits. */
export function number(value: number | null, limits: { min: number; max: number; step: number; empty?: string }, on: (value: number | null) => void): HTMLInputElement {
  const box = el("input", {
    type: "number", min: limits.min, max: limits.max, step: limits.step, value: value ?? "", placeholder: limits.empty,
    onchange: () => {
      if (box.value === "" && limits.empty !== undefined) on(null);
      else if (box.value !== "" && box.checkValidity()) on(Number(box.value));
      else box.value = value === null ? "" : String(value);
    },
  });
  return box;
}

export function save(name: string, content: Blob): void {
  const link = el("a", { href: URL.createObjectURL(content), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
