/** The named data sets, one row each: download address, and size and checksum of every file. */
import type { ImageShape, Split } from './dataset.ts';

export interface PinnedFile {
  readonly name: string;
  readonly bytes: number;
  /** Hexadecimal. */
  readonly sha256: string;
}

export interface CatalogEntry extends ImageShape {
  readonly name: string;
  readonly title: string;
  /** Number of images. */
  readonly images: Readonly<Record<Split, number>>;
  readonly classes: number;
  /** Undefined if the files name the classes, or no source does. */
  readonly classLabels: readonly string[] | undefined;
  readonly license: string;
  /** Instructions for a set that needs an account: download it by hand into FOLDER. No file of such a set is pinned. */
  readonly byHand?: string;
  /** Base address of the archives, with a trailing slash. */
  readonly address: string;
  /** The downloads: tar archives of the files, or the files themselves, plain or gzipped. */
  readonly archives: readonly PinnedFile[];
  /** The unpacked files in the data folder. */
  readonly files: readonly PinnedFile[];
}

/*
 * Sources of the checksums. Archives: TensorFlow Datasets (url_checksums/); those of CIFAR agree with the MD5 sums on the
 * official page. Files: computed from bit-exact copies; CIFAR-100's are from torchvision-ruby. SVHN's archives are its files.
 */
const digits = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'];
const svhnFiles: readonly PinnedFile[] = [
  { name: 'train_32x32.mat', bytes: 182_040_794, sha256: '435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8' },
  { name: 'extra_32x32.mat', bytes: 1_329_278_602, sha256: 'a133a4beb38a00fcdda90c9489e0c04f900b660ce8a316a5e854838379a71eb3' },
  { name: 'test_32x32.mat', bytes: 64_275_384, sha256: 'cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b' },
];

export const catalog: readonly CatalogEntry[] = [
  {
    name: 'cifar-10',
    title: 'CIFAR-10',
    images: { train: 50_000, test: 10_000 },
    channels: 3,
    height: 32,
    width: 32,
    classes: 10,
    classLabels: ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'],
    license: 'none stated; cite Krizhevsky 2009',
    address: 'https://www.cs.toronto.edu/~kriz/',
    archives: [
      { name: 'cifar-10-binary.tar.gz', bytes: 170_052_171, sha256: 'c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd' },
    ],
    files: [
      { name: 'data_batch_1.bin', bytes: 30_730_000, sha256: 'cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5' },
      { name: 'data_batch_2.bin', bytes: 30_730_000, sha256: 'a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed' },
      { name: 'data_batch_3.bin', bytes: 30_730_000, sha256: 'bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67' },
      { name: 'data_batch_4.bin', bytes: 30_730_000, sha256: '014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48' },
      { name: 'data_batch_5.bin', bytes: 30_730_000, sha256: '755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add' },
      { name: 'test_batch.bin', bytes: 30_730_000, sha256: '8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b' },
    ],
  },
  {
    name: 'cifar-100',
    title: 'CIFAR-100',
    images: { train: 50_000, test: 10_000 },
    channels: 3,
    height: 32,
    width: 32,
    classes: 100,
    classLabels: `
      apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle caterpillar cattle
      chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant flatfish forest fox girl hamster house
      kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle mountain mouse mushroom oak_tree orange
      orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal
      shark shrew skunk skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger
      tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm`
      .trim()
      .split(/\s+/),
    license: 'none stated; cite Krizhevsky 2009',
    address: 'https://www.cs.toronto.edu/~kriz/',
    archives: [
      { name: 'cifar-100-binary.tar.gz', bytes: 168_513_733, sha256: '58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec' },
    ],
    files: [
      { name: 'train.bin', bytes: 153_700_000, sha256: 'f31298fc616915fa142368359df1c4ca2ae984d6915ca468b998a5ec6aeebf29' },
      { name: 'test.bin', bytes: 30_740_000, sha256: 'd8b1e6b7b3bee4020055f0699b111f60b1af1e262aeb93a0b659061746f8224a' },
    ],
  },
  {
    name: 'mnist',
    title: 'MNIST',
    images: { train: 60_000, test: 10_000 },
    channels: 1,
    height: 28,
    width: 28,
    classes: 10,
    classLabels: digits,
    license: 'CC BY-SA 3.0',
    address: 'https://ossci-datasets.s3.amazonaws.com/mnist/',
    archives: [
      { name: 'train-images-idx3-ubyte.gz', bytes: 9_912_422, sha256: '440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609' },
      { name: 'train-labels-idx1-ubyte.gz', bytes: 28_881, sha256: '3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c' },
      { name: 't10k-images-idx3-ubyte.gz', bytes: 1_648_877, sha256: '8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6' },
      { name: 't10k-labels-idx1-ubyte.gz', bytes: 4_542, sha256: 'f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6' },
    ],
    files: [
      { name: 'train-images-idx3-ubyte', bytes: 47_040_016, sha256: 'ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db' },
      { name: 'train-labels-idx1-ubyte', bytes: 60_008, sha256: '65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5' },
      { name: 't10k-images-idx3-ubyte', bytes: 7_840_016, sha256: '0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7' },
      { name: 't10k-labels-idx1-ubyte', bytes: 10_008, sha256: 'ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2' },
    ],
  },
  {
    name: 'fashion-mnist',
    title: 'Fashion-MNIST',
    images: { train: 60_000, test: 10_000 },
    channels: 1,
    height: 28,
    width: 28,
    classes: 10,
    classLabels: ['T-shirt/top', 'Trouser', 'Pullover', 'Dress', 'Coat', 'Sandal', 'Shirt', 'Sneaker', 'Bag', 'Ankle boot'],
    license: 'MIT',
    address: 'http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/',
    archives: [
      { name: 'train-images-idx3-ubyte.gz', bytes: 26_421_880, sha256: '3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84' },
      { name: 'train-labels-idx1-ubyte.gz', bytes: 29_515, sha256: 'a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845' },
      { name: 't10k-images-idx3-ubyte.gz', bytes: 4_422_102, sha256: '346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073' },
      { name: 't10k-labels-idx1-ubyte.gz', bytes: 5_148, sha256: '67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5' },
    ],
    files: [
      { name: 'train-images-idx3-ubyte', bytes: 47_040_016, sha256: 'c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888' },
      { name: 'train-labels-idx1-ubyte', bytes: 60_008, sha256: 'bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9' },
      { name: 't10k-images-idx3-ubyte', bytes: 7_840_016, sha256: '5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b' },
      { name: 't10k-labels-idx1-ubyte', bytes: 10_008, sha256: '0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34' },
    ],
  },
  {
    name: 'svhn',
    title: 'SVHN, cropped digits',
    images: { train: 604_388, test: 26_032 }, // training: 73,257 and 531,131 extra
    channels: 3,
    height: 32,
    width: 32,
    classes: 10,
    classLabels: digits,
    license: 'non-commercial use',
    address: 'http://ufldl.stanford.edu/housenumbers/',
    archives: svhnFiles,
    files: svhnFiles,
  },
  {
    name: 'imagenet32',
    title: 'ImageNet32',
    images: { train: 1_281_167, test: 50_000 },
    channels: 3,
    height: 32,
    width: 32,
    classes: 1000,
    classLabels: undefined,
    license: 'non-commercial research',
    byHand:
      'With an account at https://image-net.org download Imagenet32_train_npz.zip (SHA-256 94226337ecc1b0309d9fcd0167127aaadc931587035fbcb53925235edbaec4fc) ' +
      'and Imagenet32_val_npz.zip (SHA-256 013990e6dec1237dcd1f9beadbab81ead6604cc119af5cacbfb59ae28148377a), and unpack their 11 npz files into FOLDER',
    address: 'https://image-net.org/download-images.php',
    archives: [],
    files: [],
  },
  {
    name: 'imagenet',
    title: 'ImageNet, ILSVRC 2012',
    images: { train: 1_281_167, test: 50_000 },
    channels: 3,
    height: 224,
    width: 224,
    classes: 1000,
    classLabels: undefined,
    license: 'non-commercial research',
    byHand:
      'With an account at https://image-net.org download ILSVRC2012_img_train.tar, ILSVRC2012_img_val.tar and ILSVRC2012_devkit_t12.tar.gz. ' +
      'Unpack them into FOLDER/train, with one folder per class, FOLDER/val, and FOLDER/ILSVRC2012_devkit_t12',
    address: 'https://image-net.org/challenges/LSVRC/2012/',
    archives: [],
    files: [],
  },
];

/** The entry of that name; undefined if there is none. */
export function catalogEntry(name: string): CatalogEntry | undefined {
  return catalog.find((entry) => entry.name === name);
}
