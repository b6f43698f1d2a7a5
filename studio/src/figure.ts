/** A body of capsules round SMPL-24 joints: one instanced mesh for the bones, one for the joints. */

import * as THREE from "three";

const RADIUS: Record<number, number> = { 1: 0.085, 2: 0.085, 3: 0.12, 4: 0.075, 5: 0.075, 6: 0.125, 7: 0.055, 8: 0.055, 9: 0.13, 10: 0.045, 11: 0.045, 12: 0.06, 13: 0.07, 14: 0.07, 15: 0.06, 16: 0.07, 17: 0.07, 18: 0.052, 19: 0.052, 20: 0.042, 21: 0.042, 22: 0.035, 23: 0.035 };
const HEAD = 15;

const UP = new THREE.Vector3(0, 1, 0);
const a = new THREE.Vector3();
const b = new THREE.Vector3();
const middle = new THREE.Vector3();
const along = new THREE.Vector3();
const turn = new THREE.Quaternion();
const size = new THREE.Vector3();
const matrix = new THREE.Matrix4();

export class Figure {
  readonly group = new THREE.Group();
  private readonly bones: THREE.InstancedMesh;
  private readonly balls: THREE.InstancedMesh;
  private readonly skull: THREE.Mesh;
  private readonly material: THREE.MeshLambertMaterial;

  constructor(
    private readonly parents: number[],
    colour: THREE.ColorRepresentation,
    opacity = 1,
  ) {
    this.material = new THREE.MeshLambertMaterial({ color: colour, transparent: opacity < 1, opacity, depthWrite: opacity === 1 });
    this.bones = new THREE.InstancedMesh(new THREE.CylinderGeometry(1, 1, 1, 8, 1, true), this.material, parents.length);
    this.balls = new THREE.InstancedMesh(new THREE.SphereGeometry(1, 8, 6), this.material, parents.length);
    this.skull = new THREE.Mesh(new THREE.SphereGeometry(0.105, 12, 9), this.material);
    for (const mesh of [this.bones, this.balls]) mesh.frustumCulled = false;
    this.group.add(this.bones, this.balls, this.skull);
  }

  set selected(on: boolean) {
    this.material.emissive.set(on ? 0x223355 : 0x000000);
  }

  /** Takes a pose: 24 joints from an offset in an array of x, y, z. */
  pose(joints: ArrayLike<number>, offset = 0): void {
    this.parents.forEach((parent, joint) => {
      a.fromArray(joints as number[], offset + 3 * joint);
      const radius = RADIUS[joint] ?? 0.1;
      matrix.compose(a, turn.identity(), size.setScalar(joint === HEAD ? 0.04 : radius));
      this.balls.setMatrixAt(joint, matrix);
      if (parent < 0) {
        matrix.makeScale(0, 0, 0);
      } else {
        b.fromArray(joints as number[], offset + 3 * parent);
        along.subVectors(a, b);
        const length = along.length() || 1e-6;
        turn.setFromUnitVectors(UP, along.divideScalar(length));
        matrix.compose(middle.addVectors(a, b).multiplyScalar(0.5), turn, size.set(radius, length, radius));
      }
      this.bones.setMatrixAt(joint, matrix);
    });
    // The head joint lies at the base of the skull; the skull goes on in the direction of the neck.
    a.fromArray(joints as number[], offset + 3 * HEAD);
    b.fromArray(joints as number[], offset + 3 * (this.parents[HEAD] ?? 12));
    this.skull.position.copy(along.subVectors(a, b).normalize().multiplyScalar(0.09).add(a));
    this.bones.instanceMatrix.needsUpdate = true;
    this.balls.instanceMatrix.needsUpdate = true;
  }

  dispose(): void {
    for (const mesh of [this.bones, this.balls, this.skull]) mesh.geometry.dispose();
    this.bones.dispose();
    this.balls.dispose();
    this.material.dispose();
  }
}
