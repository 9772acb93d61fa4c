'use strict'
// Gives a device back when the time of what PEMS told it is over and PEMS is not there to renew it.

const GRACE_MS = 2000

/**
 * Who has been told something by PEMS, and until when. PEMS renews a lease while it lives, and takes it back when it has
 * given the device back itself.
 */
class Leases {
  /** @param {number} silence_s 0: wait for the end of the lease; else release once PEMS was silent for so long [s of the wall] */
  constructor (silence_s = 0) {
    this._silence_ms = silence_s * 1000
    this._ended = new Map()
    this._silentSince = null
  }

  /**
   * The devices that have to be released now.
   * @param {import('./house').House} house
   * @param {string} device the one that is looked after; empty: all
   * @param {function(string): boolean} byHand whether a person holds a device
   * @param {number} now [ms]
   * @returns {{device: string, why: string}[]}
   */
  due (house, device, byHand, now) {
    const core = house.core(now)
    if (core === 'running') this._silentSince = null
    else if (this._silentSince === null) this._silentSince = now
    return Object.entries(house.devices)
      .filter(([name, known]) => (device === '' || device === name) && known.lease && known.release && !byHand(name))
      .filter(([name, known]) => this._ended.get(name) !== known.lease.until)
      .map(([name, known]) => ({ device: name, why: this._why(house, known.lease, core, now) }))
      .filter(({ why }) => why !== '')
  }

  /** The device was released: until PEMS leases it anew there is nothing to do. */
  released (house, device) {
    const known = house.devices[device]
    if (known && known.lease) this._ended.set(device, known.lease.until)
  }

  /** Whether what PEMS told the device may still be carried. */
  holds (house, device, now) {
    const known = house.devices[device]
    return !!(known && known.lease && house.clock(now) < Date.parse(known.lease.until))
  }

  _why (house, lease, core, now) {
    // While PEMS beats, it renews or takes back its leases itself.
    if (core === 'running' || core === 'unknown') return ''
    if (house.clock(now) >= Date.parse(lease.until) + GRACE_MS * house.speed) return `its lease ended at ${lease.until}, and PEMS is ${core}`
    if (this._silence_ms > 0 && now - this._silentSince >= this._silence_ms) return `PEMS has been ${core} for ${this._silence_ms / 1000} s`
    return ''
  }
}

module.exports = { Leases }
