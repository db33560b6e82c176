// Loaded before the Portkey gateway.
//
// Its only chance is Math.random, which deals calls to targets by weight: from a seed here, so that a
// run repeats.
let state = Number(process.env.SEED ?? 1) >>> 0;
Math.random = () => { // mulberry32
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
};

// 1.15.2 changes the headers of what fetch gives it, which its own copy of @hono/node-server has made
// immutable: every stream ends in "TypeError: immutable" unless it gets an answer of its own.
const withoutBody = [101, 204, 205, 304];
const nativeFetch = globalThis.fetch, NativeResponse = globalThis.Response;
globalThis.fetch = async (...request) => {
    const { status, statusText, headers, body } = await nativeFetch(...request);
    return new NativeResponse(withoutBody.includes(status) ? null : body, { status, statusText, headers: [...headers] });
};
