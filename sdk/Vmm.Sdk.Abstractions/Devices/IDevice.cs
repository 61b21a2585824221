namespace Vmm.Sdk;

/// <summary>
/// A device model. The host constructs it, calls <see cref="Attach"/> once, then <see cref="Reset"/> with
/// <see cref="ResetKind.PowerOn"/>, and from then on register accesses, timers and posted work, never two at a time.
/// Abilities are further interfaces on the same object (<see cref="IStateful"/>, <see cref="IPciFunction"/>, …),
/// looked for once, at attach.
/// </summary>
public interface IDevice
{
    /// <summary>Claims regions, lines and other resources. Called once, before the guest runs.</summary>
    /// <remarks>An exception here is reported as a configuration error that names the device; the VM does not start.</remarks>
    void Attach();

    /// <summary>Puts every register in the state that the kind of reset defines.</summary>
    /// <param name="kind">What kind of reset it is.</param>
    void Reset(ResetKind kind);
}

/// <summary>Kinds of reset. New kinds may be added: treat one you do not know as <see cref="System"/>.</summary>
public enum ResetKind
{
    /// <summary>Power was off: nothing survives.</summary>
    PowerOn = 0,

    /// <summary>The reset line of the whole machine: battery-backed content survives.</summary>
    System = 1,

    /// <summary>Reset of the bus that the device sits on.</summary>
    Bus = 2,

    /// <summary>The guest's driver reset this device alone.</summary>
    Device = 3,
}

/// <summary>Widths of a register access, as the number of bytes.</summary>
public enum AccessWidth : byte
{
    /// <summary>8 bits.</summary>
    Byte = 1,

    /// <summary>16 bits.</summary>
    Word = 2,

    /// <summary>32 bits.</summary>
    DoubleWord = 4,

    /// <summary>64 bits. Never used for ports.</summary>
    QuadWord = 8,
}

/// <summary>The set of access widths that a region implements.</summary>
[Flags]
public enum AccessWidths : byte
{
    /// <summary>No width: not a legal claim.</summary>
    None = 0,

    /// <summary>8 bits.</summary>
    Byte = 1,

    /// <summary>16 bits.</summary>
    Word = 2,

    /// <summary>32 bits.</summary>
    DoubleWord = 4,

    /// <summary>64 bits.</summary>
    QuadWord = 8,

    /// <summary>Every width that a port can have.</summary>
    AnyPort = Byte | Word | DoubleWord,

    /// <summary>Every width.</summary>
    Any = Byte | Word | DoubleWord | QuadWord,
}

/// <summary>Registers in I/O-port space. A device with several regions gives each its own handler object.</summary>
public interface IPortDevice
{
    /// <summary>Reads a register.</summary>
    /// <param name="offset">Bytes from the start of the claimed region.</param>
    /// <param name="width">One of the widths that the claim implements; the access lies wholly inside the region.</param>
    /// <returns>The value; bits above the width are ignored.</returns>
    ulong Read(uint offset, AccessWidth width);

    /// <summary>Writes a register.</summary>
    /// <param name="offset">Bytes from the start of the claimed region.</param>
    /// <param name="width">One of the widths that the claim implements.</param>
    /// <param name="value">The value; bits above the width are zero.</param>
    void Write(uint offset, AccessWidth width, ulong value);
}

/// <summary>Registers in memory space. A device with several regions gives each its own handler object.</summary>
public interface IMmioDevice
{
    /// <summary>Reads a register.</summary>
    /// <param name="offset">Bytes from the start of the claimed region.</param>
    /// <param name="width">One of the widths that the claim implements; the access is aligned unless the claim allows otherwise.</param>
    /// <returns>The value; bits above the width are ignored.</returns>
    ulong Read(ulong offset, AccessWidth width);

    /// <summary>Writes a register.</summary>
    /// <param name="offset">Bytes from the start of the claimed region.</param>
    /// <param name="width">One of the widths that the claim implements.</param>
    /// <param name="value">The value; bits above the width are zero.</param>
    void Write(ulong offset, AccessWidth width, ulong value);
}
