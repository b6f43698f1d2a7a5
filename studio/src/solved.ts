/** A scene as the server has made it: everybody's joints and the camera, frame by frame. */

import type { SceneContent } from "./api";
import { unpack } from "./api";

export interface Solved {
  fps: number;
  frames: number;
  people: { frames: number; joints: Float32Array }[];
  camera: { c2w: Float32Array; intrinsics: Float32Array; size: [number, number] } | null;
}

export function readContent(content: SceneContent): Solved {
  return {
    fps: content.fps,
    frames: content.frames,
    people: content.people.map((p) => ({ frames: p.frames, joints: unpack(p.joints) })),
    camera: content.camera && {
      c2w: unpack(content.camera.c2w),
      intrinsics: unpack(content.camera.intrinsics),
      size: content.camera.size,
    },
  };
}
