/** What is drawn beside the people: ways over the floor, the camera, and things to take hold of. */

import * as THREE from "three";

import type { Vec3 } from "./document";

export function floorLine(joints: Float32Array, stride: number, colour: string, opacity: number): THREE.Line {
  const points: THREE.Vector3[] = [];
  for (let i = 0; i < joints.length; i += stride) points.push(new THREE.Vector3(joints[i] ?? 0, 0.008, joints[i + 2] ?? 0));
  const material = new THREE.LineBasicMaterial({ color: colour, transparent: true, opacity });
  return new THREE.Line(new THREE.BufferGeometry().setFromPoints(points), material);
}

export function pathLine(c2w: Float32Array): THREE.Line {
  const points: THREE.Vector3[] = [];
  for (let i = 0; i < c2w.length; i += 16) points.push(new THREE.Vector3(c2w[i + 3] ?? 0, c2w[i + 7] ?? 0, c2w[i + 11] ?? 0));
  return new THREE.Line(new THREE.BufferGeometry().setFromPoints(points), new THREE.LineBasicMaterial({ color: 0xe4576d }));
}

export function frame([width, height]: [number, number]): THREE.LineSegments {
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
  return new THREE.LineSegments(geometry, new THREE.LineBasicMaterial({ color: 0xe4576d }));
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
  return mesh;
}

/** A small ball that is seen through bodies, in a larger one that is only felt. */
export function grip(chosen: boolean): THREE.Mesh {
  const material = new THREE.MeshBasicMaterial({ color: chosen ? 0xffb300 : 0xffffff, depthTest: false, transparent: true });
  const edge = new THREE.MeshBasicMaterial({ color: 0x1b2a4a, depthTest: false, transparent: true });
  const mesh = new THREE.Mesh(new THREE.SphereGeometry(0.045, 14, 10), edge);
  const inner = new THREE.Mesh(new THREE.SphereGeometry(chosen ? 0.036 : 0.03, 14, 10), material);
  const felt = new THREE.Mesh(new THREE.SphereGeometry(0.075, 8, 6), edge);
  felt.visible = false;
  mesh.renderOrder = 10;
  inner.renderOrder = 11;
  mesh.add(inner, felt);
  return mesh;
}

export function ball(colour: string, radius: number): THREE.Mesh {
  return new THREE.Mesh(new THREE.SphereGeometry(radius, 14, 10), new THREE.MeshBasicMaterial({ color: colour }));
}
