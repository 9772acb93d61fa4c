/** From values to places in a picture, and lines through them. */

export function scale (from, to, first, last) {
  const span = to - from || 1
  const at = (value) => first + ((value - from) / span) * (last - first)
  at.back = (place) => from + ((place - first) / (last - first || 1)) * span
  return at
}

/** Round values from one end to the other, about as many as asked. */
export function ticks (low, high, about = 4) {
  const span = high - low
  if (!(span > 0)) return [low]
  const raw = span / about
  const power = 10 ** Math.floor(Math.log10(raw))
  const step = [1, 2, 2.5, 5, 10].map((k) => k * power).find((one) => one >= raw) ?? raw
  const found = []
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * span; k++) found.push(Number((k * step).toFixed(10)))
  return found
}

/** The upper end of an axis that shows a value and some room above it. */
export function roof (value, least) {
  const top = Math.max(value * 1.08, least)
  const power = 10 ** Math.floor(Math.log10(top))
  return [1, 1.2, 1.5, 1.8, 2, 2.5, 3, 4, 5, 6, 8, 10].map((k) => k * power).find((one) => one >= top)
}

const short = (place) => Number(place.toFixed(1))

/** A line that stays level through each step; a missing value breaks it. */
export function stepLine (list, x, y, value) {
  let path = ''
  let end = null
  for (const step of list) {
    const found = value(step)
    if (found === null || found === undefined) {
      end = null
      continue
    }
    const at = short(y(found))
    path += end === step.start ? `V${at}` : `M${short(x(step.start))} ${at}`
    path += `H${short(x(step.end))}`
    end = step.end
  }
  return path
}

/** The area between a level line and a floor that may itself be one. */
export function stepArea (list, x, y, value, floor = () => 0) {
  return list
    .filter((step) => value(step) !== null && value(step) !== undefined)
    .map((step) => `M${short(x(step.start))} ${short(y(floor(step)))}V${short(y(floor(step) + value(step)))}H${short(x(step.end))}V${short(y(floor(step)))}Z`)
    .join('')
}

/** A line through points. */
export function line (points, x, y) {
  let path = ''
  let before = false
  for (const [at, value] of points) {
    if (value === null || value === undefined) {
      before = false
      continue
    }
    path += `${before ? 'L' : 'M'}${short(x(at))} ${short(y(value))}`
    before = true
  }
  return path
}

export function area (points, x, y, floor = 0) {
  const there = points.filter(([, value]) => value !== null && value !== undefined)
  if (there.length < 2) return ''
  return `${line(there, x, y)}L${short(x(there.at(-1)[0]))} ${short(y(floor))}L${short(x(there[0][0]))} ${short(y(floor))}Z`
}

/** Full hours of a time zone at which to put a mark, some hours apart. */
export function hourMarks (from, to, every, hourOf) {
  const hour = 3_600_000
  const found = []
  for (let at = Math.ceil(from / hour) * hour; at <= to; at += hour) {
    if (hourOf(at) % every === 0) found.push(at)
  }
  return found
}
