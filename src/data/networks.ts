/** Published networks with one bit per weight, one row each: source, configuration and test error. */
import type { PinnedFile } from './catalog.ts';

export interface PublishedNetwork {
  readonly name: string;
  readonly network: string;
  /** Catalog name of the data set that it classifies. */
  readonly dataset: string;
  /** Test error as its publisher states it, 0 to 1; undefined when it is not stated. */
  readonly testError: number | undefined;
  readonly licence: string;
  /** Web page of its publisher. */
  readonly page: string;
  /** Its download. Undefined when its publisher states no SHA-256; `byHand` then says what to do. */
  readonly download?: PinnedFile & { readonly address: string };
  /** Instructions for a network without `download`; NAME is the file to write. */
  readonly byHand?: string;
}

/** McDonnell's repository, at the commit that the checksums below belong to. */
const MCDONNELL = 'github.com/McDonnell-Lab/1-bit-per-weight';
const MCDONNELL_FILES =
  'https://raw.githubusercontent.com/McDonnell-Lab/1-bit-per-weight/d1bd14fadc8d155a16178b119f7115d20c354fd2/TrainedModels/';

function mcdonnell(name: string, network: string, dataset: string, testError: number | undefined, path: string, file: PinnedFile) {
  const download = { ...file, address: MCDONNELL_FILES + path };
  return { name, network, dataset, testError, licence: 'MIT', page: MCDONNELL, download };
}

const OSMR = 'github.com/osmr/pytorchcv';
const OSMR_RELEASE = 'https://github.com/osmr/imgclsmob/releases/download/v0.0.302/';

/** Its publisher states only a SHA-1, whose first digits are in the file name. */
function pytorchcv(name: string, dataset: string, testError: number, file: string): PublishedNetwork {
  return {
    name,
    network: 'WRN-20-10',
    dataset,
    testError,
    licence: 'MIT',
    page: OSMR,
    byHand: `Its publisher states no SHA-256: download ${OSMR_RELEASE}${file}.zip, unpack it, then: wrn-onnx export ${file} --dataset ${dataset} -o NAME`,
  };
}

/*
 * Sources of the errors: the readme files of McDonnell's repository for the Keras networks and the plain one, a comment in the test
 * script for MATLAB's on CIFAR-10, and pytorchcv's table of models.
 */
export const publishedNetworks: readonly PublishedNetwork[] = [
  mcdonnell('mcdonnell-cifar-10', 'WRN-20-10', 'cifar-10', 0.0375, 'Tensorflow.keras/', {
    name: 'CIFAR10_allparams.mat',
    bytes: 3_919_709,
    sha256: 'c1b73fa8820cfe2cc23e0728f7aebbfb02c49c68608da28c96aa78e554acc1f2',
  }),
  mcdonnell('mcdonnell-cifar-100', 'WRN-20-10', 'cifar-100', 0.1817, 'Tensorflow.keras/', {
    name: 'CIFAR100_allparams.mat',
    bytes: 3_676_858,
    sha256: '285b1b89fe2c4b87606d31e60faa822681c5bb2394ec5aeef50c3d125050a798',
  }),
  mcdonnell('mcdonnell-matlab-cifar-10', 'WRN-20-10', 'cifar-10', 0.0382, 'Matlab/', {
    name: 'TrainedWideResNet20-10_CIFAR10_1-bit-per-weight-4MB.mat',
    bytes: 4_080_382,
    sha256: 'c8b0c1e3452f2b275b8eafea2e925e67f3c554a5aa90778fe7adbb54ab32d38e',
  }),
  mcdonnell('mcdonnell-matlab-cifar-100', 'WRN-20-10', 'cifar-100', undefined, 'Matlab/', {
    name: 'TrainedWideResNet20-10_CIFAR100_1-bit-per-weight-4MB.mat',
    bytes: 3_830_827,
    sha256: '18c83e38a7632a06aca2d6f0279d9606c4ecc6f2f14d8c2305d035f391d98688',
  }),
  mcdonnell('mcdonnell-plain-cifar-100', 'Plain-20-4', 'cifar-100', 0.245, 'Matlab/PlainNets/', {
    name: 'CIFAR100_20-4-Plain_644kB.mat',
    bytes: 658_912,
    sha256: 'f7c1a16dd57b782bc4cc0f81543836565dd839f2a8311ce8e35383919e91605d',
  }),
  pytorchcv('pytorchcv-cifar-10', 'cifar-10', 0.0326, 'wrn20_10_1bit_cifar10-0326-e6140f8a.pth'),
  pytorchcv('pytorchcv-cifar-100', 'cifar-100', 0.1904, 'wrn20_10_1bit_cifar100-1904-149860c8.pth'),
];

export function publishedNetwork(name: string): PublishedNetwork | undefined {
  return publishedNetworks.find((row) => row.name === name);
}
