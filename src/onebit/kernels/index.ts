/** The kernels, in AssemblyScript: what each computes is written plainly in `twin.ts`. */
export { floats } from './floats';
export { fusedFloats } from './fused';
export { averagePool, globalPool, map, maxPool } from './planes';
export { signsByte, signsFloat } from './signs';
