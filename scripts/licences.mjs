// Writes docs/licences.md from package-lock.json: every package that an installation brings, with its licence. `--check` only compares.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const path = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url));

/** Conditions of licences that ask for more than their text. */
const notes = {
  'LGPL-3.0-or-later': 'libvips, which sharp loads as a shared library: replace the file to use another build. We do not change it',
  'Apache-2.0 AND LGPL-3.0-or-later': 'sharp for a platform where libvips is inside the package; see above',
  'Apache-2.0 AND LGPL-3.0-or-later AND MIT': 'the same in WebAssembly',
};

/** Place in the lock file of the package that the one at `from` loads as `name`; undefined when it is not installed. */
function placeOf(packages, from, name) {
  for (let base = from; ; base = base.slice(0, Math.max(0, base.lastIndexOf('/node_modules/')))) {
    const place = `${base ? `${base}/` : ''}node_modules/${name}`;
    if (packages[place]) return place;
    if (base === '') return undefined;
  }
}

/** All packages that dependencies and our optional peers bring, sorted by place. Optional peers of other packages, such as a compiler, are not installed. */
function installed({ packages }) {
  const found = new Set();
  const follow = (place) => {
    const { dependencies, optionalDependencies, peerDependencies, peerDependenciesMeta } = packages[place];
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies })) {
      if (place !== '' && peerDependenciesMeta?.[name]?.optional) continue;
      const next = placeOf(packages, place, name);
      if (next === undefined || found.has(next)) continue;
      found.add(next);
      follow(next);
    }
  };
  follow('');
  return [...found]
    .sort()
    .map((place) => ({ name: place.slice(place.lastIndexOf('node_modules/') + 'node_modules/'.length), ...packages[place] }));
}

function listing() {
  const byLicence = new Map();
  for (const { name, version, license = 'not stated' } of installed(JSON.parse(readFileSync(path('package-lock.json'), 'utf8'))))
    byLicence.set(license, [...(byLicence.get(license) ?? []), `${name} ${version}`]);
  const rows = [...byLicence].sort(([a], [b]) => (a < b ? -1 : 1));
  const count = rows.reduce((sum, [, names]) => sum + names.length, 0);
  const lines = rows.map(([licence, names]) => `| ${licence} | ${[...new Set(names)].sort().join(', ')} | ${notes[licence] ?? ''} |`);
  return `# Licences

wrn-onnx is under the licence in [LICENSE](../LICENSE). With its optional packages an installation brings
these ${count}, of which npm leaves out those for other platforms. \`npm run licences\` writes this page from package-lock.json; a test holds that it is current. \`npm run sbom\` prints the
same as a CycloneDX bill of materials.

| licence | packages | what it asks for besides its text |
|---|---|---|
${lines.join('\n')}

The font of the charts, DejaVu Sans, has its licence beside it in the package (\`DejaVuSans.LICENSE\`).

## tfjs-node

Training needs \`@tensorflow/tfjs-node\` 4.22.0 (Apache-2.0), which \`npm run setup:tfjs\` installs. Its own dependencies are those of 2022.
In a clone, \`overrides\` in package.json replace tar 6 by tar 7, node-pre-gyp 1.0.9 by 2 and https-proxy-agent 2 by 5; rimraf 2 stays,
since the install script calls it as newer ones cannot be called. npm takes overrides from the project at the top alone: in a project of
your own, copy that section into your package.json.
`;
}

const target = path('docs/licences.md');
if (!process.argv.includes('--check')) writeFileSync(target, listing());
else if (readFileSync(target, 'utf8') !== listing()) {
  console.error('docs/licences.md is not current. Write it: npm run licences');
  process.exitCode = 1;
}
