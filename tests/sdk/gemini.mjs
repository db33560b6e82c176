// gemini.mjs - @google/genai: generateContent, its stream, a quota error.
import { GoogleGenAI } from '@google/genai'
import { HI } from './fixture.mjs'
import { at, failure, say } from './transcript.mjs'

const client = new GoogleGenAI({ apiKey: 'made-up', httpOptions: { baseUrl: at('gemini') } })
const call = ({ modelVersion: model, usageMetadata: usage }, stream) => ({ provider: 'gcp.gemini',
  api: 'generate_content', model, status: 200, input: usage.promptTokenCount,
  output: usage.candidatesTokenCount + usage.thoughtsTokenCount,
  reasoning: usage.thoughtsTokenCount, ...(stream && { stream }) })
const plain = answer => ({ text: answer.text, candidates: answer.candidates,
  usage: answer.usageMetadata, model: answer.modelVersion, id: answer.responseId })

const answer = await client.models.generateContent({ model: 'weir-gemini', contents: HI })
say('generateContent', plain(answer), call(answer))

const chunks = []
const asked = { model: 'weir-gemini', contents: HI }
for await (const chunk of await client.models.generateContentStream(asked)) chunks.push(chunk)
say('streamGenerateContent', chunks.map(plain), call(chunks.at(-1), true))

const busy = { model: 'weir-gemini-busy', contents: HI }
say('no quota left', await failure(() => client.models.generateContent(busy)),
  { provider: 'gcp.gemini', api: 'generate_content', status: 429, model: busy.model })
