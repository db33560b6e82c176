// ollama.mjs - the ollama package: chat, its stream of JSON lines, a missing model.
import { Ollama } from 'ollama'
import { HI } from './fixture.mjs'
import { at, failure, say } from './transcript.mjs'

const client = new Ollama({ host: at('ollama') })
const messages = [{ role: 'user', content: HI }]
const call = (answer, stream) => ({ provider: 'ollama', api: 'ollama_chat', model: answer.model,
  status: 200, input: answer.prompt_eval_count, output: answer.eval_count,
  ...(stream && { stream }) })

const answer = await client.chat({ model: 'weir-llama', messages })
say('chat', answer, call(answer))

const parts = []
for await (const part of await client.chat({ model: 'weir-llama', messages, stream: true }))
  parts.push(part)
say('chat stream', parts, call(parts.at(-1), true))

say('no such model', await failure(() => client.chat({ model: 'weir-missing', messages })),
  { provider: 'ollama', api: 'ollama_chat', model: 'weir-missing', status: 404 })
