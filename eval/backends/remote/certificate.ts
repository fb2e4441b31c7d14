/** A certificate for one run. */
import { createHash, randomBytes, webcrypto } from 'node:crypto';
import { loadPackage } from '../../../src/packages.ts';

export interface Certificate {
  readonly key: string;
  readonly cert: string;
  /** SHA-256, as browsers show it: `AB:CD:...`. */
  readonly fingerprint: string;
}

const DAY = 24 * 60 * 60 * 1000;

/**
 * @param addresses IP addresses that it is valid for, besides localhost
 * @throws DeviceError when @peculiar/x509 is not installed
 */
export async function makeCertificate(addresses: readonly string[]): Promise<Certificate> {
  const {
    BasicConstraintsExtension,
    cryptoProvider,
    ExtendedKeyUsage,
    ExtendedKeyUsageExtension,
    SubjectAlternativeNameExtension,
    X509CertificateGenerator,
  } = await loadPackage('@peculiar/x509');
  cryptoProvider.set(webcrypto as Crypto);
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const now = Date.now();
  const names = [{ type: 'dns', value: 'localhost' } as const, ...addresses.map((value) => ({ type: 'ip', value }) as const)];
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: `01${randomBytes(15).toString('hex')}`,
    name: 'CN=wrn-onnx eval',
    notBefore: new Date(now - DAY), // clocks differ
    notAfter: new Date(now + 7 * DAY),
    signingAlgorithm: algorithm,
    keys: keys as CryptoKeyPair,
    extensions: [
      new BasicConstraintsExtension(false),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
      new SubjectAlternativeNameExtension(names),
    ],
  });
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  const digest = createHash('sha256').update(Buffer.from(certificate.rawData)).digest('hex').toUpperCase();
  return {
    key: `-----BEGIN PRIVATE KEY-----\n${pkcs8.replace(/(.{64})/g, '$1\n').trimEnd()}\n-----END PRIVATE KEY-----\n`,
    cert: certificate.toString('pem'),
    fingerprint: digest.replace(/..(?=.)/g, '$&:'),
  };
}
