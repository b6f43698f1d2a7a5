/** What is drawn beside the people: ways over the floor, the camera, and things to take hold of. */

import * as THREE from "three";

import type { Vec3 } from "./document";

const EDGE = 0x1b2a4a; // dark on light ground; on dark ground the white beside it is seen

export function floorLine(joints: Float32Array, stride: number, colour: string, opacity: number): THREE.Line {
  const points: THREE.Vector3[] = [];
  for (let i = 0; i < joints.length; i += stride) points.push(new THREE.Vector3(joints[i] ?? 0, 0.008, joints[i + 2] ?? 0));
  const material = new THREE.LineBasicMaterial({ color: colour, transparent: true, opacity });
  return new THREE.Line(new THREE.BufferGeometry().setFromPoints(points), material);
}

export function pathLine(c2w: Float32Array, colour: THREE.ColorRepresentation): THREE.Line {
  const points: THREE.Vector3[] = [];
  for (let i = 0; i < c2w.length; i += 16) points.push(new THREE.Vector3(c2w[i + 3] ?? 0, c2w[i + 7] ?? 0, c2w[i + 11] ?? 0));
  return new THREE.Line(new THREE.BufferGeometry().setFromPoints(points), new THREE.LineBasicMaterial({ color: colour }));
}

/** The camera: a solid body that one takes hold of, and what it sees in lines; it looks along -Z. */
export function cameraBody([width, height]: [number, number], colour: THREE.ColorRepresentation): THREE.Group {
  const w = 0.16;
  const h = (w * height) / width;
  const z = -0.36;
  const corners: Vec3[] = [[-w, h, z], [w, h, z], [w, -h, z], [-w, -h, z]];
  const points: number[] = [];
  corners.forEach((corner, i) => {
    points.push(0, 0, 0, ...corner, ...corner, ...(corners[(i + 1) % 4] ?? corner));
  });
  points.push(-w * 0.5, h * 1.1, z, 0, h * 1.5, z, 0, h * 1.5, z, w * 0.5, h * 1.1, z);
  const geometry = new THREE.BufferGeometry().setAttribute("position", new THREE.Float32BufferAttribute(points, 3));
  const body = new THREE.Mesh(new THREE.BoxGeometry(0.14, 0.14, 0.22), new THREE.MeshBasicMaterial({ color: colour }));
  body.position.z = 0.11;
  const edges = new THREE.LineSegments(new THREE.EdgesGeometry(body.geometry), new THREE.LineBasicMaterial({ color: EDGE }));
  edges.position.z = 0.11;
  return new THREE.Group().add(new THREE.LineSegments(geometry, new THREE.LineBasicMaterial({ color: colour })), body, edges);
}

export function ring(colour: string): THREE.Mesh {
  const mesh = new THREE.Mesh(new THREE.TorusGeometry(0.14, 0.025, 8, 32), new THREE.MeshBasicMaterial({ color: colour }));
  mesh.rotation.x = Math.PI / 2;
  return mesh;
}

export function disc(colour: string): THREE.Mesh {
  const material = new THREE.MeshBasicMaterial({ color: colour, transparent: true, opacity: 0.35, side: THREE.DoubleSide });
  const mesh = new THREE.Mesh(new THREE.CircleGeometry(0.28, 32), material);
  mesh.rotation.x = -Math.PI / 2;
  mesh.add(new THREE.Mesh(new THREE.RingGeometry(0.26, 0.28, 48), new THREE.MeshBasicMaterial({ color: colour, side: THREE.DoubleSide })));
  return mesh;
}

/** A small ball on a joint, seen through bodies. */
export function grip(chosen: boolean): THREE.Mesh {
  return knob(chosen ? 0xffb300 : 0xffffff, 0.045);
}

/** A ball that is seen on any ground and through bodies: its colour in a white ring in a dark edge. */
export function knob(colour: THREE.ColorRepresentation, radius: number): THREE.Mesh {
  const layer = (size: number, of: THREE.ColorRepresentation, order: number): THREE.Mesh => {
    const mesh = new THREE.Mesh(new THREE.SphereGeometry(size * radius, 20, 14), new THREE.MeshBasicMaterial({ color: of, depthTest: false, transparent: true }));
    mesh.renderOrder = order;
    return mesh;
  };
  const mesh = layer(1, EDGE, 10);
  mesh.add(layer(0.85, 0xffffff, 11), layer(0.65, colour, 12));
  mesh.userData.radius = radius;
  return mesh;
}
