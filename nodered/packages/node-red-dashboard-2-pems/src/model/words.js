/** Words of a language by key, with parameters and plurals. A missing word is the English one, and then the key itself. */

import cs from '../locales/cs.json' with { type: 'json' }
import en from '../locales/en.json' with { type: 'json' }

export const LANGUAGES = { en, cs }

/**
 * @param {string} language such as "cs"; English if it is not shipped
 * @returns {(key: string, params?: Record<string, unknown>) => string} `{name}` stands for a parameter. A word with
 *   plurals is an object by plural category, chosen by `params.count`.
 */
export function words (language) {
  const own = LANGUAGES[language] ?? en
  const plurals = new Intl.PluralRules(language in LANGUAGES ? language : 'en')
  const t = (key, params = {}) => {
    let word = own[key] ?? en[key] ?? key
    if (typeof word === 'object') word = word[plurals.select(params.count ?? 0)] ?? word.other
    return word.replace(/\{(\w+)\}/g, (whole, name) => String(params[name] ?? whole))
  }
  t.has = (key) => key in own || key in en
  return t
}

/** The language to speak: what the reader chose, what the node says, what the browser asks for. */
export function chosenLanguage (...wishes) {
  for (const wish of wishes.flat()) {
    const short = String(wish ?? '').slice(0, 2).toLowerCase()
    if (short in LANGUAGES) return short
  }
  return 'en'
}

/** The name of a room, such as "Bathroom upstairs" of `bathroom_up`; words that are not known are shown as they are. */
export function roomName (t, room) {
  if (t.has(`room.${room}`)) return t(`room.${room}`)
  const spoken = room.replaceAll('_', ' ')
  return spoken.charAt(0).toUpperCase() + spoken.slice(1)
}
