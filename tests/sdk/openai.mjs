// openai.mjs - the openai package: chat, tools, responses, embeddings, models, errors.
import OpenAI from 'openai'
import { HI, TOOLS } from './fixture.mjs'
import { at, failure, say } from './transcript.mjs'

const client = new OpenAI({ apiKey: 'sk-made-up', baseURL: `${at('openai')}/v1`, maxRetries: 0 })
const messages = [{ role: 'user', content: HI }]
const call = (api, model, usage, more) => ({ provider: 'openai', api, model, status: 200,
  input: usage?.prompt_tokens ?? usage?.input_tokens,
  output: usage?.completion_tokens ?? usage?.output_tokens,
  cached: (usage?.prompt_tokens_details ?? usage?.input_tokens_details)?.cached_tokens,
  reasoning: (usage?.completion_tokens_details ?? usage?.output_tokens_details)?.reasoning_tokens,
  ...more })
const failed = (model, status, error_class) =>
  ({ provider: 'openai', api: 'chat', model, status, error_class })

async function chatStream(request) {
  const got = { chunks: [], text: '', tools: '', finish: null, usage: null, model: null }
  const stream = await client.chat.completions.create({ ...request, stream: true })
  for await (const chunk of stream) {
    const choice = chunk.choices[0]
    got.chunks.push(choice?.delta ?? null)
    got.text += choice?.delta.content ?? ''
    got.tools += choice?.delta.tool_calls?.[0].function.arguments ?? ''
    got.finish = choice?.finish_reason ?? got.finish
    got.usage = chunk.usage ?? got.usage
    got.model = chunk.model
  }
  return got
}

const chat = await client.chat.completions.create({ model: 'weir-chat', messages })
say('chat', chat, call('chat', chat.model, chat.usage))

const withUsage = { stream_options: { include_usage: true } }
const streamed = await chatStream({ model: 'weir-chat', messages, ...withUsage })
say('chat stream', streamed, call('chat', streamed.model, streamed.usage, { stream: true }))

const tools = await chatStream({ model: 'weir-tools', messages, tools: TOOLS, ...withUsage })
say('tools stream', tools, call('chat', tools.model, tools.usage, { stream: true }))

const response = await client.responses.create({ model: 'weir-responses', input: HI })
say('responses', { text: response.output_text, response },
  call('responses', response.model, response.usage))

const events = []
const asked = { model: 'weir-responses', input: HI, stream: true }
for await (const event of await client.responses.create(asked)) events.push(event)
const last = events.at(-1).response
say('responses stream', events, call('responses', last.model, last.usage, { stream: true }))

const vector = await client.embeddings.create({ model: 'weir-embed', input: HI })
say('embeddings', vector, call('embeddings', vector.model, vector.usage))

const models = []
for await (const model of client.models.list()) models.push(model)
say('models', models, { provider: 'openai', api: 'models', status: 200 })

const create = (model, options) => client.chat.completions.create({ model, messages }, options)
say('a wrong key', await failure(() => create('weir-denied')), failed('weir-denied', 401, 'status_4xx'))
say('too busy', await failure(() => create('weir-busy')), failed('weir-busy', 429, 'rate_limited'))

const retried = await create('weir-retry', { maxRetries: 1 })
say('busy, then not', retried, failed('weir-retry', 429, 'rate_limited'),
  call('chat', retried.model, retried.usage))

// The connection breaks in the middle of the text.
const cut = await failure(() => chatStream({ model: 'weir-cut', messages }))
say('a cut stream', { class: cut.class, unexpected: cut.unexpected },
  { provider: 'openai', api: 'chat', status: 200, stream: true, error_class: 'stream_cut' })
