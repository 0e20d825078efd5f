/** A random UUID v4. By `getRandomValues`, since `randomUUID` is there in secure contexts only. */
export function uuid(): string {
  const bytes = Array.from(crypto.getRandomValues(new Uint8Array(16)));
  const digits = bytes.map((byte) => (byte + 256).toString(16).slice(1)).join('');
  return digits.replace(/^(.{8})(.{4}).(.{3}).(.{3})/, '$1-$2-4$3-8$4-');
}
