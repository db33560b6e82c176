// bedrock.mjs - @aws-sdk/client-bedrock-runtime: converse, its stream, exceptions, invoke; in HTTP/1.1,
// and with the client's own choice for a plain endpoint, HTTP/2 with prior knowledge.
import { BedrockRuntimeClient, ConverseCommand, ConverseStreamCommand, InvokeModelCommand }
  from '@aws-sdk/client-bedrock-runtime'
import { NodeHttpHandler } from '@smithy/node-http-handler'
import { CLAUDE_ON_BEDROCK, HI } from './fixture.mjs'
import { at, failure, say } from './transcript.mjs'

const id = name => `weir.${name}-v1:0`
const asked = name => ({ modelId: id(name), messages: [{ role: 'user', content: [{ text: HI }] }] })
const call = (usage, more) => ({ provider: 'aws.bedrock', api: 'converse', model: id('model'),
  status: 200, input: usage?.inputTokens, output: usage?.outputTokens, ...more })

async function events(client, name) {
  const all = []
  const { stream } = await client.send(new ConverseStreamCommand(asked(name)))
  for await (const event of stream) all.push(event)
  return all
}

async function converse(client, http) {
  const answer = await client.send(new ConverseCommand(asked('model')))
  say(`converse, ${http}`, { output: answer.output, stop: answer.stopReason, usage: answer.usage,
    metrics: answer.metrics }, call(answer.usage))

  const streamed = await events(client, 'model')
  say(`converse stream, ${http}`, streamed,
    call(streamed.at(-1).metadata.usage, { stream: true }))

  say(`an exception in the stream, ${http}`, await failure(() => events(client, 'broken')),
    call(null, { model: id('broken'), stream: true, error_class: 'stream_error_event' }))
  say(`throttled, ${http}`, await failure(() => client.send(new ConverseCommand(asked('busy')))),
    call(null, { model: id('busy'), status: 429, error_class: 'rate_limited' }))
}

async function invoke(client, http) {
  const { body } = await client.send(new InvokeModelCommand({ modelId: id('claude'),
    contentType: 'application/json', accept: 'application/json',
    body: JSON.stringify(CLAUDE_ON_BEDROCK) }))
  const message = JSON.parse(Buffer.from(body))
  const { input_tokens, cache_creation_input_tokens, cache_read_input_tokens, output_tokens } =
    message.usage
  say(`invoke, ${http}`, message, call(null, { api: 'invoke', model: id('claude'), input:
    input_tokens + cache_creation_input_tokens + cache_read_input_tokens, output: output_tokens }))
}

for (const http of ['HTTP/1.1', 'HTTP/2']) {
  const handler = http === 'HTTP/1.1' ? { requestHandler: new NodeHttpHandler() } : {}
  const client = new BedrockRuntimeClient({ endpoint: at('bedrock'), region: 'us-east-1',
    maxAttempts: 1, credentials: { accessKeyId: 'AKIAMADEUP', secretAccessKey: 'made-up' },
    ...handler })
  await converse(client, http)
  await invoke(client, http)
  client.destroy()
}
