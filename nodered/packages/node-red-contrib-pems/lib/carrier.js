'use strict'
// Carries what PEMS asks for: once for each request, in order for each device, and never after its time.

const { carry, faultsOf } = require('./wire')

const MOST_REMEMBERED = 500

/** One after the other for each device; a device that is slow never holds up another. */
class Carrier {
  /**
   * @param {{publish: function}} lines
   * @param {function(): number} clock time of PEMS [ms]
   */
  constructor (lines, clock) {
    this._lines = lines
    this._clock = clock
    this._asked = new Set()
    this._last = new Map()
  }

  /**
   * @param {object} said of `carry/<device>`, or what a flow made of it
   * @returns {Promise<object|null>} what became of it, as `applied/<device>/<control>` takes it; null if it was asked before
   */
  carry (said) {
    if (said.request !== undefined) {
      // A broker may hand over a message twice; a request is carried once.
      if (this._asked.has(said.request)) return Promise.resolve(null)
      this._remember(said.request)
    }
    const before = this._last.get(said.device) || Promise.resolve()
    const result = before.then(() => this._carry(said))
    this._last.set(said.device, result.catch(() => {}))
    return result
  }

  _remember (request) {
    this._asked.add(request)
    if (this._asked.size > MOST_REMEMBERED) this._asked.delete(this._asked.values().next().value)
  }

  /** Why it is too late for a request; empty if it is in time. What gives a device back is never too late. */
  overdue (said) {
    const late = said.expires_at !== undefined && !said.releases && this._clock() >= Date.parse(said.expires_at)
    return late ? `its time was over at ${said.expires_at}` : ''
  }

  /** What became of a request that somebody on the way would not let pass. */
  refuse (said, why) { return this._became(said, 'refused', why) }

  async _carry (said) {
    const faults = faultsOf(said.wire)
    if (faults.length > 0) return this.refuse(said, faults.join('; '))
    const late = this.overdue(said)
    if (late) return this.refuse(said, late)
    try {
      return this._became(said, await carry(said.wire, this._lines), '')
    } catch (error) {
      return this._became(said, 'failed', error.message)
    }
  }

  _became (said, result, detail) {
    return {
      decision_id: said.id || '',
      request: said.request || '',
      result,
      stage: result === 'carried' ? 'sent' : 'rejected',
      detail: detail.slice(0, 200),
      at: new Date(this._clock()).toISOString()
    }
  }
}

module.exports = { Carrier }
