/**
 * The reasons of PEMS in the words of a language. PEMS says them in English, in a few forms (pems_core/planning/explain);
 * what has none of these forms is shown as it came.
 */

const PRICE = '(-?\\d+(?:\\.\\d+)?)'
const SPAN = '((?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) )?\\d\\d:\\d\\d–\\d\\d:\\d\\d(?: [A-Z]{2,5})?)'
const SPANS = `(${SPAN.slice(1, -1)}(?: and ${SPAN.slice(1, -1)})?(?: and later)?)`
const KWH = '(\\d+(?:\\.\\d+)?) kWh'

/** How the parts of a form are shown, by name. */
const SHOWN = { price: 'price', than: 'price', money: 'money', span: 'spans', spans: 'spans', kwh: 'kwh', low: 'temperature', share: 'whole' }

/** Each form of a whole reason: what its parts are called, and what may stand behind it. */
const FORMS = [
  ['grid_charging', `grid charging ${SPANS} at ${PRICE}: (.+)`, ['span', 'price', 'rest']],
  ['storing_pv', `storing PV ${SPANS} at ${PRICE}: (.+)`, ['span', 'price', 'rest']],
  ['selling', `feeding in from the battery ${SPANS}, ${KWH} at ${PRICE}: (.+)`, ['span', 'kwh', 'price', 'rest']],
  ['covering', `covering the house from the battery ${SPANS}, ${KWH} at ${PRICE}: (.+)`, ['span', 'kwh', 'price', 'rest']],
  ['hold_feeding_in', `hold ${SPAN}: feeding PV in at ${PRICE} instead of storing it(?: and)?[ ,]*(.+)`, ['span', 'price', 'rest']],
  ['hold_pv', `hold ${SPAN}: the house takes what PV gives`, ['span']],
  ['hold', `hold ${SPAN} at ${PRICE}: (.+)`, ['span', 'price', 'rest']],
  ['reserve', `${SPAN}: the battery is at its reserve of (\\d+) %`, ['span', 'share']],
  ['full', `${SPAN}: the battery is full`, ['span']],
  ['idle', `${SPAN}: the battery has nothing to do`, ['span']],
  ['pv_fed_in', `feeding PV in ${SPAN} at ${PRICE}: ${KWH} that nothing in the house needs more, earns (-?[\\d.]+) \\S+`, ['span', 'price', 'kwh', 'money']],
  ['export_off', `export off ${SPAN}: feed-in costs ${PRICE}, (.+)`, ['span', 'price', 'rest']],
  ['curtailed', `PV curtailed ${SPAN}: ${KWH} that nothing can take`, ['span', 'kwh']],
  ['comfort', `heating ${SPAN} at ${PRICE}: needed for the comfort band, at least ${PRICE} °C`, ['span', 'price', 'low']],
  ['heating_paid', `heating ${SPAN} at ${PRICE}: drawing is paid for, (.+)`, ['span', 'price', 'rest']],
  ['heating_later', `heating ${SPAN} at ${PRICE}: the heat is worth more at the end of the horizon`, ['span', 'price']],
  ['preheating', `pre-heating ${SPAN} at ${PRICE}: avoids ${PRICE} at ${SPANS}, (.+)`, ['span', 'price', 'than', 'spans', 'rest']],
  ['coasting', `coasting ${SPAN} at ${PRICE}: its heat costs ${PRICE} around it, (.+)`, ['span', 'price', 'than', 'rest']]
].map(([kind, form, names]) => ({ kind, form: new RegExp(`^${form}$`), names }))

/** What may stand in the rest of a reason, one after the other. */
const CLAUSES = [
  ['avoids', `(?:better than )?avoid(?:s|ing) ${PRICE} at ${SPANS}`, ['price', 'span']],
  ['sells', `(?:better than )?(?:sells|feeding in) at ${PRICE} at ${SPANS}`, ['price', 'span']],
  ['spares', `spares recharging at ${PRICE} at ${SPANS}`, ['price', 'span']],
  ['buys_less', `(?:better than )?buying less at ${PRICE} at ${SPANS}`, ['price', 'span']],
  ['stores_less', `(?:better than )?storing less PV worth ${PRICE} at ${SPANS}`, ['price', 'span']],
  ['frees', `so that PV worth ${PRICE} at ${SPANS} can be fed in`, ['price', 'span']],
  ['keeps', `(?:better than )?keep(?:s|ing) ${KWH} for later at ${PRICE}`, ['kwh', 'price']],
  ['soon', 'serves the house soon after', []],
  ['saves_little', 'saves less than (-?[\\d.]+) [^\\s,;]+', ['money']],
  ['saves', 'saves (-?[\\d.]+) [^\\s,;]+', ['money']],
  ['costs', 'costs (-?[\\d.]+) [^\\s,;]+', ['money']],
  ['curtailing', `${KWH} of PV curtailed`, ['kwh']],
  ['no_surplus', 'no surplus', []]
].map(([kind, form, names]) => ({ kind, form: new RegExp(`^${form}`), names }))

/** Clauses that are told of another use of the energy, too. */
const INSTEAD = new Set(['avoids', 'sells', 'keeps'])

const BETWEEN = /^(?:, | and |; |\s*after losses(?: and wear)?)+/

/**
 * @param {string} text what PEMS says
 * @returns {{kind: string, span?: string, clauses: Array<{kind: string}>}|null} null if it has none of the known forms
 */
export function understood (text) {
  for (const { kind, form, names } of FORMS) {
    const found = form.exec(text)
    if (!found) continue
    const parts = Object.fromEntries(names.map((name, i) => [name, found[i + 1]]))
    const clauses = clausesOf(parts.rest ?? '')
    // Half of a reason is worse than the English one.
    if (clauses === null) return null
    return { kind, ...parts, better: /^better than /.test(parts.rest ?? '') || kind === 'hold_feeding_in', clauses }
  }
  return null
}

function clausesOf (rest) {
  const clauses = []
  while (rest) {
    const found = CLAUSES.map(({ kind, form, names }) => ({ kind, names, match: form.exec(rest) })).find((c) => c.match)
    if (!found) return null
    clauses.push({ kind: found.kind, ...Object.fromEntries(found.names.map((name, i) => [name, found.match[i + 1]])) })
    rest = rest.slice(found.match[0].length).replace(BETWEEN, '')
  }
  return clauses
}

/**
 * A reason as one phrase.
 *
 * @param {string} text as PEMS says it
 * @param {{t: Function, fmt: object}} speech
 */
export function reasonText (text, { t, fmt }) {
  const reason = understood(text)
  if (!reason) return text
  return [t(`reason.${reason.kind}`, shown(reason, { t, fmt })), because(reason, { t, fmt })].filter(Boolean).join(': ')
}

/** What follows from doing it, without what is done. */
export function because (reason, { t, fmt }) {
  if (!reason) return ''
  const used = reason.better ? 'instead' : 'clause'
  return reason.clauses
    .map((clause) => t(`${INSTEAD.has(clause.kind) ? used : 'clause'}.${clause.kind}`, shown(clause, { t, fmt })))
    .join(', ')
}

function shown (parts, { t, fmt }) {
  const params = {}
  for (const [name, value] of Object.entries(parts)) {
    if (typeof value !== 'string') continue
    const how = SHOWN[name]
    if (how === 'spans') params[name] = spokenSpans(value, t)
    else if (how === 'whole') params[name] = value
    else if (how) params[name] = fmt[how](Number(value))
  }
  return params
}

/** Spans with the words of the language. */
function spokenSpans (spans, t) {
  return spans
    .replace(/\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun)\b/g, (day) => t(`day.${day}`))
    .replace(/ and later$/, ` ${t('span.later')}`)
    .replace(/ and /g, ` ${t('span.and')} `)
}
