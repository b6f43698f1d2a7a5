/** The part of the 3D view that no panel covers: its middle is the middle of the picture, and everybody fits into it. */

import { Box3, Vector3 } from "three";
import type { PerspectiveCamera } from "three";

import type { Vec3 } from "./document";

const MARGIN = 28; // pixels
const NEAREST = 2.5; // metres
const FARTHEST = 40;

export interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

/** What is left of a box beside panels: each takes the side that it covers most of. */
export function openOf(all: Box, covers: Box[]): Box {
  const open = { left: all.left, top: all.top, right: all.right, bottom: all.bottom }; // a DOMRect cannot be spread
  for (const cover of covers) {
    const [width, height] = [cover.right - cover.left, cover.bottom - cover.top];
    if (width < 1 || height < 1 || cover.left >= all.right || cover.right <= all.left || cover.top >= all.bottom || cover.bottom <= all.top) continue;
    const low = cover.top > (all.top + all.bottom) / 2;
    if (low) open.bottom = Math.min(open.bottom, cover.top);
    else if (cover.left + cover.right < all.left + all.right) open.left = Math.max(open.left, cover.right);
    else open.right = Math.min(open.right, cover.left);
  }
  return open.right - open.left < 60 || open.bottom - open.top < 60 ? all : open;
}

/** Puts the middle of the open area into the middle of the picture. */
export function centre(eye: PerspectiveCamera, all: Box, open: Box): void {
  const [width, height] = [all.right - all.left, all.bottom - all.top];
  eye.aspect = width / height;
  eye.setViewOffset(width, height, (all.left + all.right - open.left - open.right) / 2, (all.top + all.bottom - open.top - open.bottom) / 2, width, height);
  eye.updateProjectionMatrix();
}

/** What an inset in a corner leaves of an area: beside it and below or above it. */
function besides(open: Box, inset: Box): Box[] {
  if (inset.right <= open.left || inset.left >= open.right || inset.bottom <= open.top || inset.top >= open.bottom) return [open];
  const left = inset.left + inset.right > open.left + open.right ? { ...open, right: inset.left } : { ...open, left: inset.right };
  const below = inset.top + inset.bottom < open.top + open.bottom ? { ...open, top: inset.bottom } : { ...open, bottom: inset.top };
  return [left, below];
}

/** Moves the eye aside, back or nearer, looking as it looked, until all points are in the open area and none behind `inset`. */
export function see(eye: PerspectiveCamera, target: Vector3, points: Vec3[], all: Box, open: Box, inset: Box): void {
  if (!points.length) return;
  const away = eye.position.clone().sub(target).normalize();
  const places = points.map((p) => new Vector3(...p));
  const middle = new Box3().setFromPoints(places).getCenter(new Vector3());
  const pixel = (2 * Math.tan((eye.fov * Math.PI) / 360)) / (all.bottom - all.top); // metres of one, a metre away
  const stand = (distance: number, area: Box): void => {
    const right = (open.left + open.right - area.left - area.right) / 2;
    const down = (open.top + open.bottom - area.top - area.bottom) / 2;
    const side = new Vector3(away.z, 0, -away.x).normalize();
    const up = away.clone().cross(side);
    target.copy(middle).addScaledVector(side, right * pixel * distance).addScaledVector(up, -down * pixel * distance);
    eye.position.copy(target).addScaledVector(away, distance);
    eye.lookAt(target);
    eye.updateMatrixWorld();
  };
  const seen = (place: Vector3): boolean => {
    const { x, y, z } = place.clone().project(eye);
    const px = all.left + ((1 + x) / 2) * (all.right - all.left);
    const py = all.top + ((1 - y) / 2) * (all.bottom - all.top);
    const inside = px > open.left + MARGIN && px < open.right - MARGIN && py > open.top + MARGIN && py < open.bottom - MARGIN;
    const behind = px > inset.left - MARGIN && px < inset.right + MARGIN && py > inset.top - MARGIN && py < inset.bottom + MARGIN;
    return z < 1 && inside && !behind;
  };
  for (let distance = NEAREST; distance < FARTHEST; distance *= 1.05) {
    for (const area of [open, ...besides(open, inset)]) {
      stand(distance, area);
      if (places.every(seen)) return;
    }
  }
}
