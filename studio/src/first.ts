/** What is seen before the server has made anything: an empty document's scene and pictures, shipped with the page. */

import type { SceneContent } from "./api";

export const FIRST_SCENE = "first/scene.json";
export const FIRST_SHOT = "first/shot.png";
/** The actor of an empty document. */
export const FIRST_ACTOR = 3;

/** See first_sight.py, which makes it. */
export interface FirstSight {
  request: unknown;
  parents: number[];
  scene: SceneContent;
}

/** Where the picture of an actor is. */
export const actorPicture = (seed: number): string => (seed === FIRST_ACTOR ? "first/actor.png" : `v1/actors/${seed}`);
