// Two sounds, of which one plays at a time, from its beginning.
"use strict";

class Player {
  // onHeard(side) is called when a sound has played to its end, onTrouble(side) when it can't.
  constructor(buttons, onHeard, onTrouble) {
    this.plays = { first: 0, second: 0 };
    this.sounds = {};
    this.buttons = buttons;
    for (const [side, button] of Object.entries(buttons)) {
      const sound = this.sounds[side] = new Audio();
      sound.preload = "auto";
      const bar = button.querySelector(".bar");
      const draw = () => {
        button.classList.toggle("playing", !sound.paused);
        bar.style.width = `${sound.paused ? 0 : 100 * sound.currentTime / sound.duration}%`;
      };
      for (const event of ["play", "pause", "ended", "timeupdate"]) sound.addEventListener(event, draw);
      sound.addEventListener("ended", () => onHeard(side));
      sound.addEventListener("error", () => { if (sound.src) onTrouble(side); });
      button.addEventListener("click", () => this.toggle(side));
    }
    this.onTrouble = onTrouble;
  }

  load(first, second) {
    this.stop();
    this.plays = { first: 0, second: 0 };
    this.sounds.first.src = first;
    this.sounds.second.src = second;
  }

  toggle(side) {
    if (this.sounds[side].paused) this.play(side);
    else this.stop();
  }

  play(side) {
    this.stop();
    const sound = this.sounds[side];
    if (sound.error) sound.load(); // perhaps the connection is back
    sound.currentTime = 0;
    this.plays[side] += 1;
    sound.play().catch((error) => { if (error.name !== "AbortError") this.onTrouble(side); });
  }

  stop() {
    for (const sound of Object.values(this.sounds)) sound.pause();
  }
}
