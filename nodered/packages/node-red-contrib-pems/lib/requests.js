'use strict'
// What people ask of PEMS, checked before it is sent: a request that PEMS would refuse is told at once, with its place.

const KINDS = {
  text: [(found) => typeof found === 'string' && found.trim() !== '', 'a text'],
  value: [(found) => ['boolean', 'number', 'string'].includes(typeof found) && found !== '' && !Number.isNaN(found),
    'true, false, a number or a text'],
  minutes: [(found) => typeof found === 'number' && Number.isFinite(found) && found > 0, 'a number above 0']
}

function need (said, place, keys) {
  const faults = Object.entries(keys)
    .filter(([key, kind]) => !KINDS[kind][0](said[key]))
    .map(([key, kind]) => `${place}: ${key}: found ${JSON.stringify(said[key])}; allowed: ${KINDS[kind][1]}`)
  if (faults.length > 0) throw new Error(faults.join('; '))
}

/**
 * An override as PEMS takes it on `override/set`.
 * @param {object} said device, control, value, until or for_minutes, by, reason
 * @throws {Error} naming every fault
 */
function overrideSet (said) {
  need(said, 'override', { device: 'text', control: 'text', value: 'value', by: 'text' })
  const { device, control, value, by, reason = '' } = said
  const request = { device, control, value, by, reason: String(reason) }
  if ((said.until === undefined) === (said.for_minutes === undefined)) {
    throw new Error('override: found both or none of until and for_minutes; allowed: one of them')
  }
  if (said.until === undefined) {
    need(said, 'override', { for_minutes: 'minutes' })
    return { ...request, for_minutes: said.for_minutes }
  }
  const until = new Date(said.until)
  if (!Number.isFinite(until.getTime())) {
    throw new Error(`override: until: found ${JSON.stringify(said.until)}; allowed: a time such as 2025-01-15T06:00:00Z`)
  }
  return { ...request, until: until.toISOString() }
}

/** The end of overrides, for `override/clear`; without control all of the device, without device all. */
function overrideClear (said) {
  need(said, 'override', { by: 'text' })
  return { device: said.device || '', control: said.control || '', by: said.by }
}

/** Emergency stop or its reset, for `emergency/set`. */
function emergency (said) {
  need(said, 'emergency', { by: 'text' })
  if (!['stop', 'reset'].includes(said.action)) {
    throw new Error(`emergency: action: found ${JSON.stringify(said.action)}; allowed: stop, reset`)
  }
  return { action: said.action, by: said.by, reason: String(said.reason || '') }
}

/** How far a device is trusted, for `stage/set`. */
function stage (said) {
  need(said, 'stage', { device: 'text', by: 'text' })
  if (!['observe', 'limited', 'control'].includes(said.stage)) {
    throw new Error(`stage: found ${JSON.stringify(said.stage)}; allowed: observe, limited, control`)
  }
  return { device: said.device, stage: said.stage, by: said.by }
}

/** Somebody knows of the alerts of a place, for `alert/ack`. */
function acknowledged (said) {
  need(said, 'alert', { place: 'text', by: 'text' })
  const hours = said.for_hours === undefined ? 24 : said.for_hours
  if (!KINDS.minutes[0](hours)) throw new Error(`alert: for_hours: found ${JSON.stringify(hours)}; allowed: ${KINDS.minutes[1]}`)
  return { place: said.place, ...(said.rule === undefined ? {} : { rule: said.rule }), by: said.by, for_hours: hours }
}

/** By topic below the prefix: what makes a request of what a page or a flow says. */
const REQUESTS = {
  'override/set': overrideSet,
  'override/clear': overrideClear,
  'emergency/set': emergency,
  'stage/set': stage,
  'alert/ack': acknowledged
}

module.exports = { REQUESTS, overrideSet, overrideClear, emergency, stage, acknowledged }
