// anthropic.mjs - @anthropic-ai/sdk: messages, streams, tools, errors.
import Anthropic from '@anthropic-ai/sdk'
import { HI } from './fixture.mjs'
import { at, failure, say } from './transcript.mjs'

const client = new Anthropic({ apiKey: 'sk-ant-made-up', baseURL: at('anthropic'), maxRetries: 0 })
const asked = model => ({ model, max_tokens: 64, messages: [{ role: 'user', content: HI }] })
const call = ({ model, usage }, stream) => ({ provider: 'anthropic', api: 'messages', model,
  status: 200, input: usage.input_tokens + usage.cache_creation_input_tokens +
    usage.cache_read_input_tokens, cached: usage.cache_read_input_tokens,
  output: usage.output_tokens, ...(stream && { stream }) })
const failed = (model, status, error_class) =>
  ({ provider: 'anthropic', api: 'messages', model, status, error_class })

const message = await client.messages.create(asked('weir-claude'))
say('messages', message, call(message))

for (const model of ['weir-claude', 'weir-claude-tools']) {
  const events = []
  const stream = client.messages.stream(asked(model))
  stream.on('streamEvent', event => events.push(structuredClone(event)))
  const final = await stream.finalMessage()
  say(`messages stream: ${model}`, { events, final }, call(final, true))
}

say('overloaded', await failure(() => client.messages.create(asked('weir-claude-full'))),
  failed('weir-claude-full', 529, 'overloaded'))
say('a wrong key', await failure(() => client.messages.create(asked('weir-claude-denied'))),
  failed('weir-claude-denied', 401, 'status_4xx'))
