import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import {
  APICallError, type LanguageModelV3, type LanguageModelV3CallOptions, type LanguageModelV3StreamPart,
} from '@ai-sdk/provider';

type Limits = {
  stall: number; answer: number; retries: number; backoff: { base: number; cap: number }; retryAfterAtMost: number;
};
type Link = { model: LanguageModelV3; firstToken: number; system: string; settings?: Partial<LanguageModelV3CallOptions> };
type Body = Record<string, unknown>;

/** Puts fields into a body, except where the request has its own, and leaves others out. */
const fields = (own: Body, without: string[]) => (body: Body) => {
  const given = Object.entries(body).filter(([, value]) => value !== undefined);
  const whole = Object.entries({ ...own, ...Object.fromEntries(given) });
  return Object.fromEntries(whole.filter(([name]) => !without.includes(name)));
};

/** Aborts a call that is silent for too long, and with the caller's signal. */
function clock(outer?: AbortSignal) {
  const stop = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const arm = (seconds: number, why: string) => {
    clearTimeout(timer);
    timer = setTimeout(() => stop.abort(new Error(`${why} within ${seconds} s`)), seconds * 1000);
  };
  return { arm, off: () => clearTimeout(timer), signal: outer ? AbortSignal.any([outer, stop.signal]) : stop.signal };
}

/** A model of several: what fails before its first token is retried, then the next one answers. */
function chain(limits: Limits, links: Link[]): LanguageModelV3 {
  async function first<T>(options: LanguageModelV3CallOptions, call: (link: Link, own: LanguageModelV3CallOptions) => Promise<T>) {
    let last: unknown;
    for (const link of links) {
      const given = Object.entries(options).filter(([, value]) => value !== undefined);
      const own = { ...link.settings, ...Object.fromEntries(given) } as LanguageModelV3CallOptions;
      if (link.system) own.prompt = [{ role: 'system', content: link.system }, ...options.prompt];
      for (let tries = 0; tries <= limits.retries; tries++) {
        try {
          return await call(link, own);
        } catch (error) {
          last = error;
          if (options.abortSignal?.aborted) throw error;
          if (!APICallError.isInstance(error) || !error.isRetryable || tries === limits.retries) break;
          const asked = Number(error.responseHeaders?.['retry-after'] ?? 0);
          if (asked > limits.retryAfterAtMost) break;
          const most = Math.min(limits.backoff.cap, limits.backoff.base * 2 ** tries);
          await new Promise((done) => setTimeout(done, 1000 * (asked || Math.random() * most)));
        }
      }
    }
    // Not an APICallError: the SDK would begin the chain again.
    throw new Error(`All models failed. Last error: ${last instanceof Error ? last.message : last}`, { cause: last });
  }

  return {
    specificationVersion: 'v3',
    provider: 'chain',
    modelId: links.map((link) => link.model.modelId).join(', '),
    supportedUrls: {},
    doGenerate: (options) => first(options, async (link, own) => {
      const { arm, off, signal } = clock(options.abortSignal);
      arm(limits.answer, `${link.model.modelId}: no answer`);
      try {
        const result = await link.model.doGenerate({ ...own, abortSignal: signal });
        if (!result.content.length) throw new Error(`${link.model.modelId}: an empty answer`);
        return result;
      } finally {
        off();
      }
    }),
    doStream: (options) => first(options, async (link, own) => {
      const { arm, off, signal } = clock(options.abortSignal);
      arm(link.firstToken, `${link.model.modelId}: no token`);
      try {
        const result = await link.model.doStream({ ...own, abortSignal: signal });
        const reader = result.stream.getReader();
        const head: LanguageModelV3StreamPart[] = [];
        do {
          const { done, value } = await reader.read();
          if (done || value.type === 'finish') throw new Error(`${link.model.modelId}: an empty answer`);
          if (value.type === 'error') throw value.error;
          head.push(value);
        } while (!/-delta$|^tool-call$|^file$/.test(head[head.length - 1].type));
        const stream = new ReadableStream<LanguageModelV3StreamPart>({
          start: (out) => head.forEach((part) => out.enqueue(part)),
          async pull(out) {
            arm(limits.stall, `${link.model.modelId}: no further token`);
            const { done, value } = await reader.read().finally(off);
            if (done) out.close();
            else out.enqueue(value);
          },
          cancel: (why) => reader.cancel(why),
        });
        return { ...result, stream };
      } catch (error) {
        off();
        throw error;
      }
    }),
  };
}
