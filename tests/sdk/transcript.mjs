// transcript.mjs - what the clients' programs share: where the provider is, and how they say what
// they got.  Each is run as `node NAME.mjs URL [proxy]`; behind a proxy each provider has a path.
const [url, proxied] = process.argv.slice(2)

export const at = name => proxied ? `${url}/${name}` : url

// One line: what a client was given, and the calls it took, as the archive should have them.
export function say(name, got, ...calls) {
  console.log(JSON.stringify({ name, got, calls }))
}

// The error a call ends with, as an application sees it.
export async function failure(call) {
  try {
    return { unexpected: await call() }
  } catch (error) {
    return { class: error.constructor.name, name: error.name,
      status: error.status ?? error.$metadata?.httpStatusCode ?? error.status_code ?? null,
      retries: error.$metadata?.totalRetryDelay === undefined ? undefined : true,
      message: error.message }
  }
}
