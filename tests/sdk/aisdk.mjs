// aisdk.mjs - the ai package with @ai-sdk/openai and @ai-sdk/anthropic.
import { createAnthropic } from '@ai-sdk/anthropic'
import { createOpenAI } from '@ai-sdk/openai'
import { generateText, streamText } from 'ai'
import { HI } from './fixture.mjs'
import { at, failure, say } from './transcript.mjs'

const openai = createOpenAI({ apiKey: 'sk-made-up', baseURL: `${at('openai')}/v1` })
const anthropic = createAnthropic({ apiKey: 'sk-ant-made-up', baseURL: `${at('anthropic')}/v1` })
const common = { prompt: HI, maxRetries: 0 }
const call = (provider, api, { response, usage }, stream) => ({ provider, api, status: 200,
  model: response.modelId, input: usage.inputTokens, output: usage.outputTokens,
  cached: usage.cachedInputTokens, ...(stream && { stream }) })
const plain = ({ text, finishReason, usage, response, toolCalls }) =>
  ({ text, finishReason, usage, toolCalls, id: response.id, model: response.modelId })

async function generate(name, provider, api, options) {
  const result = await generateText({ ...common, ...options })
  say(name, plain(result), call(provider, api, result))
}

async function stream(name, provider, api, options) {
  const result = streamText({ ...common, ...options })
  const parts = []
  for await (const part of result.fullStream)
    if (part.type === 'text-delta') parts.push(part.text)
  const whole = { text: await result.text, finishReason: await result.finishReason,
    usage: await result.usage, response: await result.response,
    toolCalls: await result.toolCalls }
  say(name, { parts, ...plain(whole) }, call(provider, api, whole, true))
}

const claude = { model: anthropic('weir-claude-ai'), maxOutputTokens: 64 }
await generate('responses', 'openai', 'responses', { model: openai('weir-responses') })
await stream('responses stream', 'openai', 'responses', { model: openai('weir-responses') })
await generate('chat', 'openai', 'chat', { model: openai.chat('weir-chat') })
await stream('chat stream', 'openai', 'chat', { model: openai.chat('weir-chat') })
await generate('messages', 'anthropic', 'messages', claude)
await stream('messages stream', 'anthropic', 'messages', claude)
const denied = { ...common, model: openai.chat('weir-denied') }
say('a wrong key', await failure(() => generateText(denied)), { provider: 'openai', api: 'chat',
  model: 'weir-denied', status: 401, error_class: 'status_4xx' })
