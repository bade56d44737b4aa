/**
 * Keys as bytes: WTF-8 (https://simonsapin.github.io/wtf-8), which is UTF-8 with lone surrogates written as three bytes of their own, so that no two strings
 * share an encoding.
 */

const encoder = /* @__PURE__ */ new TextEncoder()
const decoder = /* @__PURE__ */ new TextDecoder('utf-8', { ignoreBOM: true, fatal: true })

/** Bytes of `key`, and whether it has a lone surrogate: `-bytes` if so. */
export function measure(key: string): number {
  let bytes = key.length
  let lone = false
  for (let at = 0; at < key.length; at++) {
    const unit = key.charCodeAt(at)
    if (unit < 0x80) continue
    if (unit < 0x800) bytes += 1
    else if (unit < 0xd800 || unit > 0xdfff) bytes += 2
    else if (unit < 0xdc00 && isLow(key.charCodeAt(at + 1))) {
      // A pair: two units, four bytes.
      bytes += 2
      at++
    } else {
      bytes += 2
      lone = true
    }
  }
  return lone ? -bytes : bytes
}

/** Writes `text`, which has no lone surrogates, or is cut off where `into` ends. */
export function write(text: string, into: Uint8Array): { read: number; written: number } {
  return encoder.encodeInto(text, into)
}

/** Writes `key`, lone surrogates and all, at `at`; answers where it ends. */
export function writeIllFormed(key: string, into: Uint8Array, at: number): number {
  let end = at
  for (let index = 0; index < key.length; index++) {
    const code = key.codePointAt(index) ?? 0
    if (code < 0x80) {
      into[end++] = code
    } else if (code < 0x800) {
      into[end++] = 0xc0 | (code >> 6)
      into[end++] = 0x80 | (code & 0x3f)
    } else if (code < 0x10000) {
      into[end++] = 0xe0 | (code >> 12)
      into[end++] = 0x80 | ((code >> 6) & 0x3f)
      into[end++] = 0x80 | (code & 0x3f)
    } else {
      into[end++] = 0xf0 | (code >> 18)
      into[end++] = 0x80 | ((code >> 12) & 0x3f)
      into[end++] = 0x80 | ((code >> 6) & 0x3f)
      into[end++] = 0x80 | (code & 0x3f)
      index++
    }
  }
  return end
}

/** The string whose encoding `bytes` is. */
export function read(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes)
  } catch {
    return readIllFormed(bytes)
  }
}

function readIllFormed(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.length; ) {
    const first = bytes[at] ?? 0
    const length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4
    let code = length === 1 ? first : first & (0x7f >> length)
    for (let next = 1; next < length; next++) code = (code << 6) | ((bytes[at + next] ?? 0) & 0x3f)
    text += String.fromCodePoint(code)
    at += length
  }
  return text
}

function isLow(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff
}
