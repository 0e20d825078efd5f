/** A random UUID v4. By `getRandomValues`, since `randomUUID` is there in secure contexts only. */
export function uuid(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte, at) => {
    const marked = at === 6 ? (byte & 15) | 64 : at === 8 ? (byte & 63) | 128 : byte;
    return (at > 3 && at < 11 && at % 2 === 0 ? '-' : '') + (marked + 256).toString(16).slice(1);
  }).join('');
}
