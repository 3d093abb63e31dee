// Searches the number of a proof of work, beside the page: SHA-256 (FIPS 180-4) of salt and number must be the challenge.
// The browser's own digest isn't there on pages without https, and asking it for each number takes longer than counting ourselves.
"use strict";

const ROUND = new Int32Array(64);
const FIRST = new Int32Array(8);
{
  const fraction = (root) => Math.floor((root - Math.floor(root)) * 2 ** 32) | 0;
  let found = 0;
  for (let candidate = 2; found < 64; candidate += 1) {
    let prime = true;
    for (let divisor = 2; divisor * divisor <= candidate; divisor += 1) {
      prime = prime && candidate % divisor !== 0;
    }
    if (prime) {
      if (found < 8) {
        FIRST[found] = fraction(Math.sqrt(candidate));
      }
      ROUND[found] = fraction(Math.cbrt(candidate));
      found += 1;
    }
  }
}

const words = new Int32Array(64);

function mix(state, bytes, offset) {
  for (let index = 0; index < 16; index += 1) {
    const at = offset + index * 4;
    words[index] = (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
  }
  for (let index = 16; index < 64; index += 1) {
    const early = words[index - 15];
    const late = words[index - 2];
    const s0 = ((early >>> 7) | (early << 25)) ^ ((early >>> 18) | (early << 14)) ^ (early >>> 3);
    const s1 = ((late >>> 17) | (late << 15)) ^ ((late >>> 19) | (late << 13)) ^ (late >>> 10);
    words[index] = (words[index - 16] + s0 + words[index - 7] + s1) | 0;
  }
  let a = state[0];
  let b = state[1];
  let c = state[2];
  let d = state[3];
  let e = state[4];
  let f = state[5];
  let g = state[6];
  let h = state[7];
  for (let index = 0; index < 64; index += 1) {
    const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
    const t1 = (h + s1 + ((e & f) ^ (~e & g)) + ROUND[index] + words[index]) | 0;
    const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
    const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + t1) | 0;
    d = c;
    c = b;
    b = a;
    a = (t1 + t2) | 0;
  }
  state[0] += a;
  state[1] += b;
  state[2] += c;
  state[3] += d;
  state[4] += e;
  state[5] += f;
  state[6] += g;
  state[7] += h;
}

function solve({ challenge, salt, maxnumber }) {
  const wanted = new Int32Array(8);
  for (let index = 0; index < 8; index += 1) {
    wanted[index] = Number.parseInt(challenge.slice(index * 8, index * 8 + 8), 16) | 0;
  }
  const prefix = new TextEncoder().encode(salt);
  // Whole blocks of the salt are the same for every number, and are mixed once.
  const whole = prefix.length - (prefix.length % 64);
  const start = FIRST.slice();
  for (let at = 0; at < whole; at += 64) {
    mix(start, prefix, at);
  }
  const rest = prefix.subarray(whole);
  const buffer = new Uint8Array(192);
  const view = new DataView(buffer.buffer);
  const state = new Int32Array(8);
  for (let number = 0; number <= maxnumber; number += 1) {
    const digits = String(number);
    buffer.fill(0);
    buffer.set(rest);
    let length = rest.length;
    for (let index = 0; index < digits.length; index += 1) {
      buffer[length] = digits.charCodeAt(index);
      length += 1;
    }
    const bits = (whole + length) * 8;
    buffer[length] = 0x80;
    const end = length + 9 <= 64 ? 64 : 128;
    view.setUint32(end - 4, bits);
    state.set(start);
    for (let at = 0; at < end; at += 64) {
      mix(state, buffer, at);
    }
    if (state[0] === wanted[0] && state.every((word, index) => word === wanted[index])) {
      return number;
    }
  }
  return null;
}

self.addEventListener("message", (event) => {
  self.postMessage(solve(event.data));
});
