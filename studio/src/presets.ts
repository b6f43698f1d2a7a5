/** Camera moves as small pictures of what is seen through the camera; they move while one points at them. */

import { el, svg } from "./dom";
import "./presets.css";

/** Words for the camera, a name, and the arrow that says the move where nothing moves. */
const PRESETS: [words: string, name: string, move: string, arrow: string][] = [
  ["hold still", "Still", "still", "•"],
  ["orbit left 60 degrees", "Orbit left", "orbit-left", "↺"],
  ["orbit right 60 degrees", "Orbit right", "orbit-right", "↻"],
  ["push in slowly", "Push in", "push", "⊕"],
  ["pull back slowly", "Pull back", "pull", "⊖"],
  ["zoom in", "Zoom in", "zoom", "⤢"],
  ["slide to the left", "Slide left", "slide", "←"],
  ["rise slowly", "Rise", "rise", "↑"],
  ["pan to the right", "Pan right", "pan", "↷"],
  ["follow from the side", "Follow", "follow", "⇉"],
];

function scene(move: string): SVGElement {
  const far = svg("g", { class: "far" }, svg("rect", { x: -24, y: 22, width: 96, height: 26, class: "ground" }),
    ...[-14, 8, 24, 40, 60].map((x, i) => svg("path", { d: `M${x} 23 v${i % 2 ? -8 : -12}`, class: "tree" })));
  const near = svg("g", { class: "near" }, svg("path", { d: "M24 18 L21 32 M24 18 L27 32 M24 11 L19 19 M24 11 L29 19", class: "limbs" }), svg("path", { d: "M24 10 V20", class: "trunk" }), svg("circle", { cx: 24, cy: 6.5, r: 2.8 }));
  return svg("svg", { viewBox: "0 0 48 36", class: `preset-${move}`, "aria-hidden": "true" }, far, near);
}

/** A group of buttons; `choose` gets the words of one. */
export function presets(chosen: string, disabled: boolean, choose: (words: string) => void): HTMLElement {
  return el("div", { class: "presets", role: "group", "aria-label": "Moves of the camera" }, ...PRESETS.map(([words, name, move, arrow]) =>
    el("button", { type: "button", id: `preset-${move}`, title: words, disabled, "aria-pressed": words === chosen ? "true" : "false", onclick: () => choose(words) },
      scene(move), el("span", {}, `${arrow} ${name}`))));
}
