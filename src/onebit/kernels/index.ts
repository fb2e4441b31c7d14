/** The kernels, in AssemblyScript: what each computes is written plainly in `twin.ts`. */
export { floats, fusedFloats } from './floats';
export { averagePool, globalPool, map, maxPool } from './planes';
export { signsByte, signsFloat } from './signs';
