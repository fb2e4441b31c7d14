/** What the builder writes at the top of the service worker. */
export interface OfflineFacts {
  /** Digest of all files. */
  readonly version: string;
  /** Addresses of what is kept from the first visit on. */
  readonly shell: readonly string[];
}
