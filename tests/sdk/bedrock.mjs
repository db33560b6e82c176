// bedrock.mjs - @aws-sdk/client-bedrock-runtime: converse, its stream, exceptions, invoke.
import { BedrockRuntimeClient, ConverseCommand, ConverseStreamCommand, InvokeModelCommand }
  from '@aws-sdk/client-bedrock-runtime'
import { NodeHttpHandler } from '@smithy/node-http-handler'
import { CLAUDE_ON_BEDROCK, HI } from './fixture.mjs'
import { at, failure, say } from './transcript.mjs'

const client = new BedrockRuntimeClient({ endpoint: at('bedrock'), region: 'us-east-1',
  maxAttempts: 1, requestHandler: new NodeHttpHandler(),
  credentials: { accessKeyId: 'AKIAMADEUP', secretAccessKey: 'made-up' } })
const id = name => `weir.${name}-v1:0`
const asked = name => ({ modelId: id(name), messages: [{ role: 'user', content: [{ text: HI }] }] })
const call = (usage, more) => ({ provider: 'aws.bedrock', api: 'converse', model: id('model'),
  status: 200, input: usage?.inputTokens, output: usage?.outputTokens, ...more })

const answer = await client.send(new ConverseCommand(asked('model')))
say('converse', { output: answer.output, stop: answer.stopReason, usage: answer.usage,
  metrics: answer.metrics }, call(answer.usage))

async function events(name) {
  const all = []
  const { stream } = await client.send(new ConverseStreamCommand(asked(name)))
  for await (const event of stream) all.push(event)
  return all
}

const streamed = await events('model')
say('converse stream', streamed, call(streamed.at(-1).metadata.usage, { stream: true }))

say('an exception in the stream', await failure(() => events('broken')), call(null,
  { model: id('broken'), stream: true, error_class: 'stream_error_event' }))
say('throttled', await failure(() => client.send(new ConverseCommand(asked('busy')))),
  call(null, { model: id('busy'), status: 429, error_class: 'rate_limited' }))

const invoked = await client.send(new InvokeModelCommand({ modelId: id('claude'),
  contentType: 'application/json', accept: 'application/json',
  body: JSON.stringify(CLAUDE_ON_BEDROCK) }))
const message = JSON.parse(Buffer.from(invoked.body))
say('invoke', message, call(null, { api: 'invoke', model: id('claude'), input:
  message.usage.input_tokens + message.usage.cache_creation_input_tokens +
  message.usage.cache_read_input_tokens, output: message.usage.output_tokens }))
