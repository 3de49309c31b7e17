/** Labs from files or objects: `import { defineLab, planLab, Lab } from 'warren/lab'`. */
export {
  defineLab,
  LabError,
  type LabSource,
  type LabSpec,
  type LinkSpec,
  type NetworkSpec,
  type NodeSpec,
  parseLab,
} from './file.ts';
export { Lab, type LabOptions, type RunningCapture } from './lab.ts';
export type { LabNode, NodeState } from './node.ts';
export { type LabPlan, type PlannedNode, type PlannedWire, planLab } from './plan.ts';
