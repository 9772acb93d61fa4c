/** Numbers, times and money as a person reads them: locale of the reader, currency and time zone of the house. */

const NONE = '–'

/**
 * @param {{language: string, currency?: string, timezone?: string}} of
 */
export function formats ({ language, currency, timezone }) {
  const locale = { en: 'en-GB', cs: 'cs-CZ' }[language] ?? language
  const zone = timezone || undefined
  const cache = new Map()
  const number = (least, most) => {
    const key = `${least}/${most}`
    if (!cache.has(key)) {
      cache.set(key, new Intl.NumberFormat(locale, { minimumFractionDigits: least, maximumFractionDigits: most }))
    }
    return cache.get(key)
  }
  const written = (value, least, most = least) => number(least, most).format(round(value, most))
  const clock = new Intl.DateTimeFormat(locale, { hour: '2-digit', minute: '2-digit', timeZone: zone, hourCycle: 'h23' })
  const weekday = new Intl.DateTimeFormat(locale, { weekday: 'short', timeZone: zone })
  const dayOf = new Intl.DateTimeFormat('en-CA', { timeZone: zone })
  const symbol = currencySymbol(locale, currency)

  const fmt = {
    locale,
    symbol,
    number: (value, digits = 1) => (known(value) ? written(value, digits) : NONE),
    kw: (value) => (known(value) ? `${written(value, value >= 9.95 ? 1 : value < 0.995 ? 2 : 1)}\u00a0kW` : NONE),
    kwh: (value) => (known(value) ? `${written(value, 1)}\u00a0kWh` : NONE),
    percent: (share) => (known(share) ? `${written(100 * share, 0)}\u00a0%` : NONE),
    temperature: (value) => (known(value) ? `${written(value, 1)}\u00a0°C` : NONE),
    degrees: (value) => (known(value) ? `${written(value, 1)}°` : NONE),
    /** A price without its unit; three digits for those of a currency in which a kWh is cheap. */
    price: (value) => (known(value) ? written(value, priceDigits(value)) : NONE),
    pricePerKwh: (value) => (known(value) ? `${written(value, priceDigits(value))}\u00a0${symbol}/kWh` : NONE),
    money: (value) => (known(value) ? `${written(value, 2)}\u00a0${symbol}` : NONE),
    time: (at) => (valid(at) ? clock.format(new Date(at)) : NONE),
    day: (at) => (valid(at) ? weekday.format(new Date(at)) : NONE),
    /** With the weekday if it is not the day of `now`. */
    when: (at, now) => {
      if (!valid(at)) return NONE
      const same = !valid(now) || dayOf.format(new Date(at)) === dayOf.format(new Date(now))
      return same ? fmt.time(at) : `${fmt.day(at)} ${fmt.time(at)}`
    },
    dayKey: (at) => dayOf.format(new Date(at)),
    hour: (at) => Number(clock.format(new Date(at)).slice(0, 2)),
    /** "3 min", "2 h 10 min"; of a time that has passed or is to come. */
    lasts: (ms) => {
      const minutes = Math.max(0, Math.round(Math.abs(ms) / 60_000))
      if (Math.abs(ms) < 59_500) return `${Math.max(0, Math.round(Math.abs(ms) / 1000))}\u00a0s`
      if (minutes < 60) return `${minutes}\u00a0min`
      if (minutes >= 48 * 60) return `${Math.round(minutes / 1440)}\u00a0d`
      const rest = minutes % 60
      return rest ? `${Math.floor(minutes / 60)}\u00a0h ${rest}\u00a0min` : `${minutes / 60}\u00a0h`
    }
  }
  return fmt
}

export function known (value) {
  return typeof value === 'number' && Number.isFinite(value)
}

function valid (at) {
  return at !== null && at !== undefined && !Number.isNaN(new Date(at).getTime())
}

/** Without a zero that has a sign. */
function round (value, digits) {
  return Number(value.toFixed(digits)) + 0 || 0
}

function priceDigits (value) {
  return Math.abs(value) < 1 ? 3 : 2
}

/** The letters of a currency that a reader knows, such as Kč or €; the code itself if there are none. */
function currencySymbol (locale, currency) {
  if (!currency) return ''
  try {
    const parts = new Intl.NumberFormat(locale, { style: 'currency', currency, currencyDisplay: 'narrowSymbol' }).formatToParts(0)
    return parts.find((part) => part.type === 'currency')?.value ?? currency
  } catch {
    return currency
  }
}
