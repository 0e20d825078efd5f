import { useTelemetry } from '@convergio/telemetry-react';
import { useEffect, useRef } from 'react';
import type { Branch } from '../content/types.js';
import { useStudy } from '../study.js';

const WIDTH = 540;
const HEIGHT = 440;
const CENTRE = { x: WIDTH / 2, y: HEIGHT / 2 };

interface Point {
  x: number;
  y: number;
}

export function MindMap() {
  const { texts, slug, maestro } = useStudy();
  const track = useTelemetry((state) => state.track);
  const counted = useRef(false);
  useEffect(() => {
    // Once each time the page is opened, however often React runs effects.
    if (counted.current) return;
    counted.current = true;
    track('education', 'mind_map_view', { label: slug });
  }, [track, slug]);
  const names = maestro.map.map((branch) => branch.name).join(', ');
  return (
    <>
      <h1>{texts.map.title(maestro.name)}</h1>
      <svg
        className={`map maestro-${slug}`}
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        role="img"
        aria-label={texts.map.picture(maestro.name, names)}
      >
        {maestro.map.map((branch, index) => (
          <Limb key={branch.name} branch={branch} angle={limbAngle(index, maestro.map.length)} />
        ))}
        <Node at={CENTRE} text={maestro.name} kind="root" />
      </svg>
      <details>
        <summary>{texts.map.asList}</summary>
        <ul>
          {maestro.map.map((branch) => (
            <li key={branch.name}>
              {branch.name}
              <ul>
                {branch.leaves.map((leaf) => (
                  <li key={leaf}>{leaf}</li>
                ))}
              </ul>
            </li>
          ))}
        </ul>
      </details>
    </>
  );
}

/** Radians from the right, clockwise: the first branch goes up, the others follow evenly. */
const limbAngle = (index: number, count: number) => -Math.PI / 2 + (index * 2 * Math.PI) / count;

/** A point on an ellipse around the centre that fills the picture. */
const around = (angle: number, distance: number): Point => ({
  x: CENTRE.x + Math.cos(angle) * distance * (WIDTH / 2 - 64),
  y: CENTRE.y + Math.sin(angle) * distance * (HEIGHT / 2 - 24),
});

function Limb({ branch, angle }: { branch: Branch; angle: number }) {
  const middle = around(angle, 0.55);
  return (
    <g>
      <Line from={CENTRE} to={middle} />
      {branch.leaves.map((leaf, index) => {
        const end = around(angle + index - (branch.leaves.length - 1) / 2, 1);
        return (
          <g key={leaf}>
            <Line from={middle} to={end} />
            <Node at={end} text={leaf} kind="leaf" />
          </g>
        );
      })}
      <Node at={middle} text={branch.name} kind="branch" />
    </g>
  );
}

function Line({ from, to }: { from: Point; to: Point }) {
  const bend = (from.y + to.y) / 2;
  return (
    <path
      d={`M${round(from.x)} ${round(from.y)}C${round(from.x)} ${round(bend)} ${round(to.x)} ${round(bend)} ${round(to.x)} ${round(to.y)}`}
    />
  );
}

function Node({ at, text, kind }: { at: Point; text: string; kind: 'root' | 'branch' | 'leaf' }) {
  const width = text.length * (kind === 'root' ? 12 : 10) + 34;
  const height = kind === 'root' ? 52 : 40;
  return (
    <g className={`node node-${kind}`}>
      <rect
        x={round(at.x - width / 2)}
        y={round(at.y - height / 2)}
        width={width}
        height={height}
        rx={height / 2}
      />
      <text x={round(at.x)} y={round(at.y)}>
        {text}
      </text>
    </g>
  );
}

const round = (length: number) => Math.round(length * 10) / 10;
