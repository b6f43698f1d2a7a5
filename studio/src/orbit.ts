/** The view in 3D by keyboard: arrows go round, plus and minus come nearer and go away. */

import type { PerspectiveCamera } from "three";
import { Spherical, Vector3 } from "three";
import type { OrbitControls } from "three/examples/jsm/controls/OrbitControls.js";

const STEP = Math.PI / 24;
const KEYS: Record<string, [round: number, over: number, distance: number]> = {
  ArrowLeft: [-STEP, 0, 1], ArrowRight: [STEP, 0, 1], ArrowUp: [0, -STEP, 1], ArrowDown: [0, STEP, 1], "+": [0, 0, 0.9], "=": [0, 0, 0.9], "-": [0, 0, 1 / 0.9],
};

export function orbitByKeys(canvas: HTMLElement, camera: PerspectiveCamera, controls: OrbitControls): void {
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "application");
  canvas.setAttribute("aria-label", "The stage in 3D. Drag or use the arrow keys to orbit, scroll or use plus and minus to zoom.");
  canvas.addEventListener("keydown", (event) => {
    const key = KEYS[event.key];
    if (!key || event.ctrlKey || event.metaKey) return;
    const place = new Spherical().setFromVector3(new Vector3().subVectors(camera.position, controls.target));
    place.theta += key[0];
    place.phi += key[1];
    place.radius *= key[2];
    camera.position.setFromSpherical(place.makeSafe()).add(controls.target);
    controls.update(); // which keeps the camera over the floor
    event.preventDefault();
    event.stopPropagation();
  });
}
