// Generated from schemas/events.schema.json by `npm run events`; not to be edited.

/**
 * The body of `POST /api/telemetry/events`; `sentAt` is the client's clock when it sent the batch.
 */
export interface BatchOfTelemetryEvents {
  userId?: string | null;
  sentAt: string;
  /**
   * @minItems 1
   * @maxItems 500
   */
  events: (Navigation | Education | Conversation | Maestro | Tools | Accessibility | Error | Performance)[];
}
export interface Navigation {
  category: 'navigation';
  action: 'page_view' | 'route_change';
  /**
   * A UUID.
   */
  eventId: string;
  /**
   * A UUID.
   */
  sessionId: string;
  timestamp: string;
  label?: string | null;
  value?: number | null;
  metadata?: {
    [k: string]: string | number | boolean;
  } | null;
}
export interface Education {
  category: 'education';
  action: 'flashcard_review' | 'mind_map_view' | 'quiz_complete';
  /**
   * A UUID.
   */
  eventId: string;
  /**
   * A UUID.
   */
  sessionId: string;
  timestamp: string;
  label?: string | null;
  value?: number | null;
  metadata?: {
    [k: string]: string | number | boolean;
  } | null;
}
export interface Conversation {
  category: 'conversation';
  action: 'message_sent' | 'session_end' | 'session_start';
  /**
   * A UUID.
   */
  eventId: string;
  /**
   * A UUID.
   */
  sessionId: string;
  timestamp: string;
  label?: string | null;
  value?: number | null;
  metadata?: {
    [k: string]: string | number | boolean;
  } | null;
}
/**
 * `maestro_selected` needs a `label`: the maestro as a slug, e.g. `archimede`.
 */
export interface Maestro {
  category: 'maestro';
  action: 'maestro_selected' | 'teaching_interaction' | 'voice_session';
  /**
   * A UUID.
   */
  eventId: string;
  /**
   * A UUID.
   */
  sessionId: string;
  timestamp: string;
  label?: string | null;
  value?: number | null;
  metadata?: {
    [k: string]: string | number | boolean;
  } | null;
}
export interface Tools {
  category: 'tools';
  action: 'tool_completed' | 'tool_created' | 'tool_exported';
  /**
   * A UUID.
   */
  eventId: string;
  /**
   * A UUID.
   */
  sessionId: string;
  timestamp: string;
  label?: string | null;
  value?: number | null;
  metadata?: {
    [k: string]: string | number | boolean;
  } | null;
}
export interface Accessibility {
  category: 'accessibility';
  action: 'mode_activated' | 'setting_changed';
  /**
   * A UUID.
   */
  eventId: string;
  /**
   * A UUID.
   */
  sessionId: string;
  timestamp: string;
  label?: string | null;
  value?: number | null;
  metadata?: {
    [k: string]: string | number | boolean;
  } | null;
}
export interface Error {
  category: 'error';
  action: 'api_error' | 'client_error';
  /**
   * A UUID.
   */
  eventId: string;
  /**
   * A UUID.
   */
  sessionId: string;
  timestamp: string;
  label?: string | null;
  value?: number | null;
  metadata?: {
    [k: string]: string | number | boolean;
  } | null;
}
export interface Performance {
  category: 'performance';
  action: 'interaction_time' | 'page_load';
  /**
   * A UUID.
   */
  eventId: string;
  /**
   * A UUID.
   */
  sessionId: string;
  timestamp: string;
  label?: string | null;
  value?: number | null;
  metadata?: {
    [k: string]: string | number | boolean;
  } | null;
}

/** Actions that are refused without a label. */
export type LabelRequired = 'maestro_selected';
